package retry_test

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cronbearer/cronbearer/internal/retry"
)

var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func TestAttempt(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		left, timeout time.Duration
		want          time.Duration
		ok            bool
	}{
		"plenty of time":            {time.Minute, 30 * time.Second, 30 * time.Second, true},
		"the time left less 2 s":    {20 * time.Second, 30 * time.Second, 18 * time.Second, true},
		"exactly":                   {32 * time.Second, 30 * time.Second, 30 * time.Second, true},
		"one second":                {3 * time.Second, 30 * time.Second, time.Second, true},
		"less than one second":      {3*time.Second - 1, 30 * time.Second, time.Second - 1, false},
		"none, for a short timeout": {2500 * time.Millisecond, time.Second, 500 * time.Millisecond, false},
		"past":                      {-time.Second, time.Second, -3 * time.Second, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := retry.Budget{Deadline: now.Add(c.left), Now: func() time.Time { return now }}
			if got, ok := b.Attempt(c.timeout); got != c.want || ok != c.ok {
				t.Errorf("Attempt(%s) with %s left = %s, %t; want %s, %t", c.timeout, c.left, got, ok, c.want, c.ok)
			}
		})
	}
	if got, ok := (retry.Budget{Now: time.Now}).Attempt(time.Hour); got != time.Hour || !ok {
		t.Errorf("without a deadline: %s, %t", got, ok)
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	b := retry.Budget{Deadline: now.Add(10 * time.Second), Now: func() time.Time { return now }}
	for wait, want := range map[time.Duration]bool{0: true, 7 * time.Second: true, 7*time.Second + 1: false, math.MaxInt64: false} {
		if got := b.Fits(wait); got != want {
			t.Errorf("Fits(%s) = %t", wait, got)
		}
	}
	if !(retry.Budget{Now: time.Now}).Fits(time.Hour) {
		t.Error("without a deadline everything fits")
	}
}

func TestBackoffIsFullJitter(t *testing.T) {
	t.Parallel()
	for failed, bound := range map[int]time.Duration{
		1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second, 7: 16 * time.Second, 8: 20 * time.Second, 9: 20 * time.Second, 1000: 20 * time.Second,
	} {
		low, high := false, false
		for range 2000 {
			d := retry.Backoff(failed)
			if d <= 0 || d > bound {
				t.Fatalf("Backoff(%d) = %s, want more than 0 and at most %s", failed, d, bound)
			}
			low, high = low || d < bound/4, high || d > 3*bound/4
		}
		if !low || !high {
			t.Errorf("Backoff(%d) does not spread over 0 to %s", failed, bound)
		}
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	const date = "Tue, 24 Nov 2026 09:00:00 GMT"
	cases := map[string]struct {
		text, date string
		want       time.Duration
		ok         bool
	}{
		"absent":                       {"", date, 0, false},
		"seconds":                      {"120", date, 2 * time.Minute, true},
		"zero":                         {"0", date, 0, true},
		"white space":                  {" 5 ", date, 5 * time.Second, true},
		"68 years":                     {"2147483647", date, math.MaxInt32 * time.Second, true},
		"more":                         {"2147483648", date, math.MaxInt32 * time.Second, true},
		"more than any number":         {"99999999999999999999999999", date, math.MaxInt32 * time.Second, true},
		"date":                         {"Tue, 24 Nov 2026 09:01:30 GMT", date, 90 * time.Second, true},
		"date by the answer's clock":   {"Tue, 24 Nov 2026 03:01:30 GMT", "Tue, 24 Nov 2026 03:00:00 GMT", 90 * time.Second, true},
		"date, no clock but ours":      {"Tue, 24 Nov 2026 09:01:30 GMT", "", 90 * time.Second, true},
		"date, the answer's is broken": {"Tue, 24 Nov 2026 09:01:30 GMT", "today", 90 * time.Second, true},
		"date of the past":             {"Tue, 24 Nov 2026 08:00:00 GMT", date, 0, true},
		"date, RFC 850":                {"Tuesday, 24-Nov-26 09:01:30 GMT", date, 90 * time.Second, true},
		"date, ANSI C":                 {"Tue Nov 24 09:01:30 2026", date, 90 * time.Second, true},
		"negative":                     {"-5", date, 0, false},
		"fraction":                     {"1.5", date, 0, false},
		"plus":                         {"+5", date, 0, false},
		"unit":                         {"5s", date, 0, false},
		"word":                         {"soon", date, 0, false},
		"RFC 3339":                     {"2026-11-24T09:01:30Z", date, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range map[string]string{"Retry-After": c.text, "Date": c.date} {
				if value != "" {
					h.Set(name, value)
				}
			}
			if got, ok := retry.After(h, now); got != c.want || ok != c.ok {
				t.Errorf("After(%q) = %s, %t; want %s, %t", c.text, got, ok, c.want, c.ok)
			}
		})
	}
}

func TestRateLimitHeaders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"0": true, " 0 ": true, "00": true, "": false, "1": false, "10": false, "-0": false, "none": false} {
		if got := retry.Exhausted(http.Header{"X-Ratelimit-Remaining": {text}}); got != want {
			t.Errorf("remaining %q: %t", text, got)
		}
	}
	if retry.Exhausted(http.Header{}) {
		t.Error("exhausted without a header")
	}
	for name, c := range map[string]struct {
		text, date string
		want       time.Duration
		ok         bool
	}{
		"in a minute":                 {text: strconv.FormatInt(now.Add(time.Minute).Unix(), 10), want: time.Minute, ok: true},
		"in a minute, by their clock": {text: strconv.FormatInt(now.Add(time.Hour+time.Minute).Unix(), 10), date: "Tue, 24 Nov 2026 10:00:00 GMT", want: time.Minute, ok: true},
		"past":                        {text: strconv.FormatInt(now.Add(-time.Minute).Unix(), 10), want: 0, ok: true},
		"seconds that are left":       {text: "60"},
		"milliseconds":                {text: strconv.FormatInt(now.UnixMilli(), 10)},
		"more than any number":        {text: "99999999999999999999999"},
		"a date":                      {text: "Tue, 24 Nov 2026 10:00:00 GMT"},
		"negative":                    {text: "-1"},
		"nothing":                     {text: ""},
	} {
		h := http.Header{"X-Ratelimit-Reset": {c.text}}
		if c.date != "" {
			h.Set("Date", c.date)
		}
		if got, ok := retry.Reset(h, now); got != c.want || ok != c.ok {
			t.Errorf("%s: %s, %t; want %s, %t", name, got, ok, c.want, c.ok)
		}
	}
}

// Property: a wait is never negative, digits are always read and are that many seconds up to 68 years, and what else is
// read is a date that the answer's own clock makes the same wait.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "0", "99999999999999999999", "Tue, 24 Nov 2026 09:01:30 GMT", "Tuesday, 24-Nov-26 09:01:30 GMT", "-1", "1.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := http.Header{"Retry-After": {text}, "X-Ratelimit-Reset": {text}}
		if wait, ok := retry.Reset(h, now); wait < 0 || !ok && wait != 0 {
			t.Errorf("%q as a reset: %s, %t", text, wait, ok)
		}
		wait, ok := retry.After(h, now)
		trimmed := strings.TrimSpace(text)
		digits := trimmed != "" && strings.Trim(trimmed, "0123456789") == ""
		date, err := http.ParseTime(trimmed)
		if ok != (digits || err == nil) || wait < 0 || !ok && wait != 0 {
			t.Fatalf("%q: %s, %t", text, wait, ok)
		}
		if n, err := strconv.ParseUint(trimmed, 10, 31); digits && err == nil && wait != time.Duration(n)*time.Second {
			t.Errorf("%q: %s", text, wait)
		}
		if ok && !digits {
			h.Set("Date", date.UTC().Format(http.TimeFormat))
			if again, _ := retry.After(h, now); again != 0 && date.Year() > 0 && date.Year() < 10000 {
				t.Errorf("%q at that time: %s", text, again)
			}
		}
	})
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if !retry.Sleep(t.Context(), time.Minute) || time.Since(begun) != time.Minute {
			t.Errorf("slept %s", time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		if retry.Sleep(ctx, time.Minute) || time.Since(begun) != time.Second {
			t.Errorf("slept %s though the run ended", time.Since(begun))
		}
	})
}
