package clock_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/clock"
)

// offset is how far a clock is ahead of the real one.
func offset(c *clock.Clock) time.Duration { return time.Until(c.Now()).Round(time.Minute) }

func TestClockFollowsItsFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "offset")
	c := clock.New(file)
	for _, step := range []struct {
		text string
		want time.Duration
	}{
		{text: "36h", want: 36 * time.Hour},
		{text: " 1h30m\n", want: 90 * time.Minute},
		{text: "-48h", want: -48 * time.Hour},
		{text: "0", want: 0},
		{text: "87600h", want: 87600 * time.Hour},
	} {
		if err := os.WriteFile(file, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.Refresh(); err != nil {
			t.Fatal(err)
		}
		if got := offset(c); got != step.want {
			t.Errorf("%q: the clock is %s ahead", step.text, got)
		}
	}
}

// An offset is read at the start of a run and holds until its end.
func TestClockDoesNotMoveWithinARun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "offset")
	if err := os.WriteFile(file, []byte("1h"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := clock.New(file)
	if err := c.Refresh(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("2h"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := offset(c); got != time.Hour {
		t.Errorf("%s ahead", got)
	}
}

func TestRefreshRejects(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "a number": "36", "words": "tomorrow", "a time": "2027-01-31T00:00:00Z",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "offset")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := clock.New(file).Refresh(); err == nil ||
				err.Error() != "the file must hold an offset from the real clock such as 36h" {
				t.Error(err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "none")
	if err := clock.New(file).Refresh(); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), file) {
		t.Error(err)
	}
}

func TestRealClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*clock.Clock{"zero": {}, "no file": clock.New("")} {
		if err := c.Refresh(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		before, now, after := time.Now().Round(0), c.Now(), time.Now().Round(0)
		if now.Before(before) || now.After(after) {
			t.Errorf("%s: %s is not between %s and %s", name, now, before, after)
		}
	}
}

// With a monotonic reading, a secret read before a freeze of an hour would look a second old.
func TestNowIsWallClockTimeInUTC(t *testing.T) {
	t.Parallel()
	now := new(clock.Clock).Now()
	if now.Location() != time.UTC || strings.Contains(now.String(), "m=") {
		t.Errorf("%s", now)
	}
}
