package when_test

import (
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
)

func TestTimesThatPeopleType(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 28, 1, 12, 0, 0, time.UTC) // Friday, 20:12 in New York
	cases := map[string]struct {
		text      string
		direction when.Direction
		want      string // "" for an error
	}{
		"UTC":                      {text: "2026-11-30T08:00Z", want: "2026-11-30T08:00:00Z"},
		"an offset":                {text: "2026-11-30T08:00:00+01:00", want: "2026-11-30T07:00:00Z"},
		"the reader's zone":        {text: "2026-11-30 08:00", want: "2026-11-30T13:00:00Z"},
		"a date":                   {text: "2026-11-30", want: "2026-11-30T05:00:00Z"},
		"a weekday ahead":          {text: "Mon 08:00", want: "2026-11-30T13:00:00Z"},
		"a weekday, long":          {text: "monday 08:00", want: "2026-11-30T13:00:00Z"},
		"a weekday, in one word":   {text: "tue10:07", want: "2026-12-01T15:07:00Z"},
		"a weekday, past":          {text: "Mon 08:00", direction: when.Past, want: "2026-11-23T13:00:00Z"},
		"today's weekday, later":   {text: "Fri 21:00", want: "2026-11-28T02:00:00Z"},
		"today's weekday, earlier": {text: "Fri 20:00", want: "2026-12-05T01:00:00Z"},
		"today's weekday, past":    {text: "Fri 20:00", direction: when.Past, want: "2026-11-28T01:00:00Z"},
		"a weekday alone":          {text: "Mon", want: "2026-11-30T05:00:00Z"},
		"tomorrow":                 {text: "tomorrow 06:30", want: "2026-11-28T11:30:00Z"},
		"yesterday":                {text: "yesterday", direction: when.Past, want: "2026-11-26T05:00:00Z"},
		"a time of day":            {text: "20:00", want: "2026-11-29T01:00:00Z"},
		"a time of day, past":      {text: "20:00", direction: when.Past, want: "2026-11-28T01:00:00Z"},
		"ahead by hours":           {text: "+3h", want: "2026-11-28T04:12:00Z"},
		"back by days":             {text: "-2d", want: "2026-11-26T01:12:00Z"},
		"now":                      {text: "now", want: "2026-11-28T01:12:00Z"},
		"nonsense":                 {text: "whenever"},
		"a day that is none":       {text: "2026-02-30"},
		"an hour that is none":     {text: "Mon 25:00"},
		"nothing":                  {text: ""},
		"a sign":                   {text: "+"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := when.Parse(c.text, now, zone, c.direction)
			if got := at.UTC().Format(time.RFC3339); (err == nil) != (c.want != "") || err == nil && got != c.want {
				t.Errorf("%q: %s, %v, want %q", c.text, got, err, c.want)
			}
		})
	}
}
