package alarm

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// retention is how long samples are kept. CloudWatch keeps one-minute data 15 days and
// coarser ones for months; the longest evaluation range, of one period of seven days,
// is three weeks.
const retention = 22 * 24 * time.Hour

// Metric is the identity of a metric: "each unique combination of dimensions is a
// separate metric", in whatever order they are named.
type Metric struct {
	Namespace, Name string
	Dimensions      []Dimension
}

// key is unique: neither names nor values may hold control characters.
func (m Metric) key() string {
	dimensions := slices.Clone(m.Dimensions)
	slices.SortFunc(dimensions, func(a, b Dimension) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	var b strings.Builder
	b.WriteString(m.Namespace + "\x00" + m.Name)
	for _, d := range dimensions {
		b.WriteString("\x00" + d.Name + "\x00" + d.Value)
	}
	return b.String()
}

// Statistics is one datum of PutMetricData, or several as one.
type Statistics struct{ SampleCount, Sum, Minimum, Maximum float64 }

// Value is the datum of one measured value.
func Value(v float64) Statistics { return Statistics{SampleCount: 1, Sum: v, Minimum: v, Maximum: v} }

func (s Statistics) with(o Statistics) Statistics {
	return Statistics{
		SampleCount: s.SampleCount + o.SampleCount, Sum: s.Sum + o.Sum,
		Minimum: min(s.Minimum, o.Minimum), Maximum: max(s.Maximum, o.Maximum),
	}
}

func (s Statistics) of(statistic string) float64 {
	switch statistic {
	case "SampleCount":
		return s.SampleCount
	case "Sum":
		return s.Sum
	case "Minimum":
		return s.Minimum
	case "Maximum":
		return s.Maximum
	}
	return s.Sum / s.SampleCount // Average
}

// Samples is a store of metric data at standard resolution: what arrives is added up by
// the minute of its timestamp, as CloudWatch does. Safe for concurrent use.
type Samples struct {
	mu     sync.Mutex
	series map[string]*series
}

// series is one metric's minutes with data, ascending.
type series struct {
	minutes []minute
	version uint64 // counts additions
	watched bool   // by an alarm that holds on to it
}

type minute struct {
	start int64 // Unix time
	Statistics
}

// NewSamples returns an empty store.
func NewSamples() *Samples { return &Samples{series: map[string]*series{}} }

// Put adds a datum. Checking it is up to the caller that models PutMetricData.
func (s *Samples) Put(metric Metric, at time.Time, datum Statistics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.get(metric.key()).put(at.Truncate(time.Minute).Unix(), datum)
}

func (s *Samples) get(key string) *series {
	found, ok := s.series[key]
	if !ok {
		found = &series{}
		s.series[key] = found
	}
	return found
}

func (s *series) put(start int64, datum Statistics) {
	s.version++
	i, found := s.find(start)
	if found {
		s.minutes[i].Statistics = s.minutes[i].with(datum)
		return
	}
	s.minutes = slices.Insert(s.minutes, i, minute{start, datum})
}

func (s *series) find(start int64) (int, bool) {
	return slices.BinarySearchFunc(s.minutes, start, func(m minute, t int64) int { return cmp.Compare(m.start, t) })
}

// Aggregate returns the periods from start to end that have data, ascending.
func (s *Samples) Aggregate(metric Metric, statistic string, period time.Duration, start, end time.Time) []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.series[metric.key()]
	if !ok {
		return nil
	}
	return found.aggregate(nil, statistic, period, start, end)
}

func (s *series) aggregate(points []Point, statistic string, period time.Duration, start, end time.Time) []Point {
	i, _ := s.find(start.Unix())
	from, until, length := start.Unix(), end.Unix(), int64(period/time.Second)
	for i < len(s.minutes) && s.minutes[i].start < until {
		n := (s.minutes[i].start - from) / length
		sum := s.minutes[i].Statistics
		for i++; i < len(s.minutes) && s.minutes[i].start < min(from+(n+1)*length, until); i++ {
			sum = sum.with(s.minutes[i].Statistics)
		}
		points = append(points, Point{Start: start.Add(time.Duration(n) * period), Value: sum.of(statistic)})
	}
	return points
}

// Forget drops what no alarm evaluates any more. A Monitor calls it.
func (s *Samples) Forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
}

func (s *Samples) forget(now time.Time) {
	oldest := now.Add(-retention).Unix()
	for key, one := range s.series {
		if i, _ := one.find(oldest); i > 0 {
			one.minutes = slices.Clone(one.minutes[i:])
		}
		if len(one.minutes) == 0 && !one.watched {
			delete(s.series, key)
		}
	}
}

// Len is the number of minutes with data that are kept, over all metrics.
func (s *Samples) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, one := range s.series {
		n += len(one.minutes)
	}
	return n
}
