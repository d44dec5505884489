package caller_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/caller"
)

// filled is a Result in which each field has its own value, including fields added later.
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

func TestResultLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	keys := func(r caller.Result) []string {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(object))
	}
	always := []string{
		"attempts", "durationMs", "job", "outcome", "rejections", "requestId", "runId", "status", "token", "verdict",
	}
	if diff := cmp.Diff(always, keys(caller.Result{})); diff != "" {
		t.Errorf("empty (-want +got):\n%s", diff)
	}
	for _, key := range append(always, "recoveredWith", "tokenVersion", "tokenExpiresAt") {
		if !slices.Contains(keys(filled(t)), key) {
			t.Errorf("%s is missing", key)
		}
	}
}
