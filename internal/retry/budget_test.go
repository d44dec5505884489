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

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
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
		"plenty of time":         {left: time.Minute, timeout: 30 * time.Second, want: 30 * time.Second, ok: true},
		"the time left less 2 s": {left: 20 * time.Second, timeout: 30 * time.Second, want: 18 * time.Second, ok: true},
		"exactly":                {left: 32 * time.Second, timeout: 30 * time.Second, want: 30 * time.Second, ok: true},
		"one second":             {left: 3 * time.Second, timeout: 30 * time.Second, want: time.Second, ok: true},
		"less than one second":   {left: 3*time.Second - 1, timeout: 30 * time.Second, want: time.Second - 1, ok: false},
		"none, for a short timeout": {
			left: 2500 * time.Millisecond, timeout: time.Second, want: 500 * time.Millisecond, ok: false,
		},
		"past": {left: -time.Second, timeout: time.Second, want: -3 * time.Second, ok: false},
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
	for wait, want := range map[time.Duration]bool{0: true, 7 * time.Second: true, 7*time.Second +
		1: false, math.MaxInt64: false} {
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
		1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second, 7: 16 * time.Second, 8: 20 * time.Second,
		9: 20 * time.Second, 1000: 20 * time.Second,
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
		"absent":      {text: "", date: date, want: 0, ok: false},
		"seconds":     {text: "120", date: date, want: 2 * time.Minute, ok: true},
		"zero":        {text: "0", date: date, want: 0, ok: true},
		"white space": {text: " 5 ", date: date, want: 5 * time.Second, ok: true},
		"68 years":    {text: "2147483647", date: date, want: math.MaxInt32 * time.Second, ok: true},
		"more":        {text: "2147483648", date: date, want: math.MaxInt32 * time.Second, ok: true},
		"more than any number": {
			text: "99999999999999999999999999", date: date, want: math.MaxInt32 * time.Second, ok: true,
		},
		"date": {text: "Tue, 24 Nov 2026 09:01:30 GMT", date: date, want: 90 * time.Second, ok: true},
		"date by the answer's clock": {
			text: "Tue, 24 Nov 2026 03:01:30 GMT", date: "Tue, 24 Nov 2026 03:00:00 GMT", want: 90 * time.Second, ok: true,
		},
		"date, no clock but ours": {text: "Tue, 24 Nov 2026 09:01:30 GMT", date: "", want: 90 * time.Second, ok: true},
		"date, the answer's is broken": {
			text: "Tue, 24 Nov 2026 09:01:30 GMT", date: "today", want: 90 * time.Second, ok: true,
		},
		"date of the past": {text: "Tue, 24 Nov 2026 08:00:00 GMT", date: date, want: 0, ok: true},
		"date, RFC 850": {
			text: "Tuesday, 24-Nov-26 09:01:30 GMT", date: date, want: 90 * time.Second, ok: true,
		},
		"date, ANSI C": {text: "Tue Nov 24 09:01:30 2026", date: date, want: 90 * time.Second, ok: true},
		"negative":     {text: "-5", date: date, want: 0, ok: false},
		"fraction":     {text: "1.5", date: date, want: 0, ok: false},
		"plus":         {text: "+5", date: date, want: 0, ok: false},
		"unit":         {text: "5s", date: date, want: 0, ok: false},
		"word":         {text: "soon", date: date, want: 0, ok: false},
		"RFC 3339":     {text: "2026-11-24T09:01:30Z", date: date, want: 0, ok: false},
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
	for text, want := range map[string]bool{
		"0": true, " 0 ": true, "00": true, "": false, "1": false, "10": false, "-0": false, "none": false,
	} {
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
		"in a minute": {
			text: strconv.FormatInt(now.Add(time.Minute).Unix(), 10), want: time.Minute, ok: true,
		},
		"in a minute, by their clock": {text: strconv.FormatInt(now.Add(time.Hour+
			time.Minute).Unix(), 10), date: "Tue, 24 Nov 2026 10:00:00 GMT", want: time.Minute, ok: true},
		"past":                  {text: strconv.FormatInt(now.Add(-time.Minute).Unix(), 10), want: 0, ok: true},
		"seconds that are left": {text: "60"},
		"milliseconds":          {text: strconv.FormatInt(now.UnixMilli(), 10)},
		"more than any number":  {text: "99999999999999999999999"},
		"a date":                {text: "Tue, 24 Nov 2026 10:00:00 GMT"},
		"negative":              {text: "-1"},
		"nothing":               {text: ""},
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
func FuzzRetryAfter(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, seed := range []string{
		"120", "0", "99999999999999999999", "Tue, 24 Nov 2026 09:01:30 GMT", "Tuesday, 24-Nov-26 09:01:30 GMT", "-1", "1.5",
	} {
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
		started := time.Now()
		if !retry.Sleep(t.Context(), time.Minute) || time.Since(started) != time.Minute {
			t.Errorf("slept %s", time.Since(started))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started = time.Now()
		if retry.Sleep(ctx, time.Minute) || time.Since(started) != time.Second {
			t.Errorf("slept %s though the run ended", time.Since(started))
		}
	})
}
