package caller_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/caller"
)

// filled is a Result in which each field has a value of its own, those included that somebody may add.
func filled(t *testing.T) caller.Result {
	t.Helper()
	var r caller.Result
	at := time.Date(2027, 1, 31, 9, 0, 0, 123, time.UTC)
	for i := range reflect.TypeFor[caller.Result]().NumField() {
		switch field := reflect.ValueOf(&r).Elem().Field(i); field.Kind() {
		case reflect.String:
			field.SetString(fmt.Sprintf("value %d <\"\\\n🙂>", i))
		case reflect.Int, reflect.Int64:
			field.SetInt(int64(i) - 3)
		case reflect.Pointer:
			field.Set(reflect.ValueOf(&at))
		default:
			t.Fatalf("field %d is a %s", i, field.Kind())
		}
	}
	return r
}

// The result is written by hand, and must be what its tags say.
func TestResultIsTheJSONOfItsTags(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]caller.Result{"every field": filled(t), "none": {}} {
		marshalled, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(marshalled, &want); err != nil {
			t.Fatal(err)
		}
		text := r.AppendJSON([]byte("before"))
		if err := json.Unmarshal(text[len("before"):], &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
