package pause_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/pause"
)

// TestUpdateCarriesEveryFieldOfASchedule: UpdateSchedule resets what is not sent, so whatever field a new version of
// the SDK brings is copied or fails here.
func TestUpdateCarriesEveryFieldOfASchedule(t *testing.T) {
	t.Parallel()
	var got scheduler.GetScheduleOutput
	from := reflect.ValueOf(&got).Elem()
	for _, field := range from.Fields() {
		fill(field)
	}
	to := reflect.ValueOf(pause.Update(&got)).Elem()
	for i := range to.NumField() {
		name := to.Type().Field(i).Name
		if name == "ClientToken" || !to.Type().Field(i).IsExported() { // an idempotency token, not a property
			continue
		}
		source := from.FieldByName(name)
		if !source.IsValid() {
			t.Errorf("GetSchedule returns no %s: decide where it comes from", name)
		} else if !reflect.DeepEqual(source.Interface(), to.Field(i).Interface()) || to.Field(i).IsZero() {
			t.Errorf("%s is not carried over", name)
		}
	}
}

func fill(v reflect.Value) {
	switch {
	case !v.CanSet():
	case v.Type() == reflect.TypeFor[*time.Time]():
		now := time.Now()
		v.Set(reflect.ValueOf(&now))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case v.Kind() == reflect.String:
		v.SetString("x")
	}
}
