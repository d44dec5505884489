package schedule

import (
	"math"
	"time"
)

// reach is more than any zone is away from UTC (Manila's 15:56 of 1844 is the
// record), so a local time's instants lie within it of the same reading in UTC.
const reach = 16 * 3600

// span is a stretch of time with one offset from UTC.
type span struct{ start, end, offset int64 }

// clock turns local readings into instants. It keeps the spans around the last
// reading: made for readings that ascend, one goroutine, one walk.
type clock struct {
	zone  *time.Location
	spans []span
}

// instant returns the first instant at which the zone's clocks show a reading, given
// as the Unix time of the same reading in UTC, and false if they jump over it.
// time.Date does not help: in both cases it "does not guarantee which" it chooses.
func (c *clock) instant(wall int64) (int64, bool) {
	c.seek(wall - reach)
	for i := 0; ; i++ {
		if i == len(c.spans) {
			c.spans = append(c.spans, c.spanAt(c.spans[i-1].end))
		}
		s := c.spans[i]
		if at := wall - s.offset; at >= s.start && at < s.end {
			return at, true
		}
		if s.end > wall+reach {
			return 0, false
		}
	}
}

// steady returns the offset of a local day, named by its midnight, if no clock change
// is near it.
func (c *clock) steady(midnight int64) (int64, bool) {
	c.seek(midnight - reach)
	return c.spans[0].offset, c.spans[0].end > midnight+24*3600+reach
}

// seek makes the span of an instant the first one.
func (c *clock) seek(at int64) {
	for len(c.spans) > 1 && c.spans[0].end <= at {
		c.spans = c.spans[1:]
	}
	if len(c.spans) == 0 || at < c.spans[0].start || at >= c.spans[0].end {
		c.spans = append(c.spans[:0], c.spanAt(at))
	}
}

func (c *clock) spanAt(at int64) span {
	t := time.Unix(at, 0).In(c.zone)
	_, offset := t.Zone()
	s := span{start: math.MinInt64, end: math.MaxInt64, offset: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	if s.end <= at {
		// After the zone's last listed change Go ends every span with the year, and
		// treats each year as one of 365 days ("accurate close to a daylight savings
		// transition", says time.tzset): on a leap year's last day it lies in the past.
		s.end = time.Date(t.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	return s
}
