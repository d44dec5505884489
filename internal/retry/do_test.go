package retry_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/retry"
)

func TestDo(t *testing.T) {
	t.Parallel()
	const second = time.Second
	now := time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)
	again := retry.Next{Retry: true}
	asked := retry.Next{Retry: true, Wait: 7 * second, HasWait: true}
	for name, c := range map[string]struct {
		attempts []retry.Next
		limit    int
		left     time.Duration // until the deadline; 0: none
		asleep   int           // the first wait that ctx cuts short; 0: none
		want     []time.Duration
	}{
		"a final outcome is not retried": {attempts: []retry.Next{{}}},
		"a retry waits for the backoff": {
			attempts: []retry.Next{again, again, {}}, want: []time.Duration{second, 2 * second},
		},
		"a wait that is asked for takes its place": {
			attempts: []retry.Next{asked, again, {}}, want: []time.Duration{7 * second, 2 * second},
		},
		"a wait of none is a wait": {
			attempts: []retry.Next{{Retry: true, HasWait: true}, {}}, want: []time.Duration{0},
		},
		"no wait follows the last attempt": {
			attempts: []retry.Next{again, again}, limit: 2, want: []time.Duration{second},
		},
		"a wait that does not fit ends the loop": {attempts: []retry.Next{asked}, left: 7 * second},
		"a wait that fits is waited for": {
			attempts: []retry.Next{asked, {}}, left: 10 * second, want: []time.Duration{7 * second},
		},
		"an end of the context ends the loop": {
			attempts: []retry.Next{again}, asleep: 1, want: []time.Duration{second},
		},
		"an end of the context in the second wait": {
			attempts: []retry.Next{again, asked}, asleep: 2, want: []time.Duration{second, 7 * second},
		},
		"a retry that is not wanted has no wait": {attempts: []retry.Next{{Wait: second, HasWait: true}}},
		"the last attempt's outcome needs no retry": {
			attempts: []retry.Next{again, {}}, limit: 2, want: []time.Duration{second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var waits []time.Duration
			var numbers []int
			loop := retry.Loop{
				Max:     c.limit,
				Budget:  retry.Budget{Now: func() time.Time { return now }},
				Backoff: func(failed int) time.Duration { return time.Duration(failed) * second },
				Sleep: func(_ context.Context, d time.Duration) bool {
					waits = append(waits, d)
					return len(waits) != c.asleep
				},
			}
			if c.left > 0 {
				loop.Budget.Deadline = now.Add(c.left)
			}
			retry.Do(t.Context(), loop, func(n int) retry.Next {
				if numbers = append(numbers, n); len(numbers) > len(c.attempts) {
					t.Fatalf("attempt %d", n)
				}
				return c.attempts[n-1]
			})
			if len(numbers) != len(c.attempts) || numbers[len(numbers)-1] != len(c.attempts) {
				t.Errorf("attempts %d, want %d", numbers, len(c.attempts))
			}
			if diff := cmp.Diff(c.want, waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}
