package tuning_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/cronbearer/cronbearer/internal/tuning"
)

// These settings are the process's: the cases run one after the other, and leave them as they were.
func TestTuningFollowsTheFunctionsSize(t *testing.T) { //nolint:paralleltest // see above
	const (
		processors   = 5
		megabyte     = 1 << 20
		noLimit      = math.MaxInt64
		functionSize = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	)
	cases := map[string]struct {
		environment map[string]string
		limit       int64
		processors  int
	}{
		"the template's size": {
			environment: map[string]string{functionSize: "128"}, limit: 96 * megabyte, processors: 1,
		},
		"just below one core": {
			environment: map[string]string{functionSize: "1768"}, limit: 1326 * megabyte, processors: 1,
		},
		"one core": {
			environment: map[string]string{functionSize: "1769"}, limit: 1769 * megabyte * 3 / 4, processors: processors,
		},
		"the largest function": {
			environment: map[string]string{functionSize: "10240"}, limit: 7680 * megabyte, processors: processors,
		},
		"GOMEMLIMIT stays the user's": {
			environment: map[string]string{functionSize: "128", "GOMEMLIMIT": "64MiB"}, limit: noLimit, processors: 1,
		},
		"an empty GOMEMLIMIT stays": {
			environment: map[string]string{functionSize: "128", "GOMEMLIMIT": ""}, limit: noLimit, processors: 1,
		},
		"GOMAXPROCS stays the user's": {
			environment: map[string]string{functionSize: "128", "GOMAXPROCS": "4"}, limit: 96 * megabyte,
			processors: processors,
		},
		"not on Lambda": {limit: noLimit, processors: processors},
		"a size that is not a number": {
			environment: map[string]string{functionSize: "128MB"}, limit: noLimit, processors: processors,
		},
		"a size of nothing": {
			environment: map[string]string{functionSize: "0"}, limit: noLimit, processors: processors,
		},
		"a negative size": {
			environment: map[string]string{functionSize: "-128"}, limit: noLimit, processors: processors,
		},
		"a size beyond every machine's": {
			environment: map[string]string{functionSize: "99999999999999999999"}, limit: noLimit, processors: processors,
		},
		"a size with the decimals of one": {
			environment: map[string]string{functionSize: "128.0"}, limit: noLimit, processors: processors,
		},
	}
	limit, before := debug.SetMemoryLimit(-1), runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		runtime.GOMAXPROCS(before)
	})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			debug.SetMemoryLimit(noLimit)
			runtime.GOMAXPROCS(processors)
			tuning.ForFunctionSize(func(name string) (string, bool) {
				value, set := c.environment[name]
				return value, set
			})
			if got := debug.SetMemoryLimit(-1); got != c.limit {
				t.Errorf("memory limit %d, want %d", got, c.limit)
			}
			if got := runtime.GOMAXPROCS(0); got != c.processors {
				t.Errorf("%d processors, want %d", got, c.processors)
			}
		})
	}
}
