package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/dashboard"
	"github.com/cronbearer/cronbearer/infra/dashboard/insights"
)

// plotted is one line of a graph.
type plotted struct {
	label, color string
	points       []sample
	period       time.Duration
}

// graph gives the lines of a metric widget.
func (w *world) graph(p dashboard.Properties, span time.Duration) ([]plotted, error) {
	byID := map[string][]sample{}
	var lines []plotted
	for _, s := range p.Series() {
		var found []plotted
		switch id := dashboard.Filled(s.Expression); {
		case s.Expression == "":
			points := statistics(w.samples[series{s.Namespace, s.Name, s.Dimensions[0]}], s.Stat, time.Duration(s.Period)*time.Second, span)
			byID[s.ID] = points
			found = []plotted{{label: s.Label, points: points, period: time.Duration(s.Period) * time.Second}}
		case id != "":
			found = []plotted{{label: s.Label, points: repeated(byID[id], time.Duration(p.Period)*time.Second), period: time.Duration(p.Period) * time.Second}}
		default:
			var err error
			if found, err = w.search(s, span); err != nil {
				return nil, err
			}
		}
		for _, l := range found {
			l.color = cmp.Or(s.Color, palette[len(lines)%len(palette)])
			if !s.Hidden {
				lines = append(lines, l)
			}
		}
	}
	return lines, nil
}

// search finds what a SEARCH finds.
func (w *world) search(s dashboard.Series, span time.Duration) ([]plotted, error) {
	q, err := dashboard.ParseSearch(s.Expression)
	if err != nil {
		return nil, err
	}
	var list []plotted
	for _, key := range slices.SortedFunc(maps.Keys(w.samples), func(a, b series) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		if key.namespace != q.Namespace || key.name != q.Metric || !slices.Contains(q.Dimensions, key.dimensions[0]) {
			continue
		}
		points := statistics(w.samples[key], q.Stat, q.Period, span)
		if q.Repeated {
			points = repeated(points, q.Period)
		}
		if q.Inverted {
			for i := range points {
				points[i].value = 1 - points[i].value
			}
		}
		label := strings.ReplaceAll(s.Label, "${PROP('Dim."+key.dimensions[0]+"')}", key.dimensions[1])
		list = append(list, plotted{label: label, points: points, period: q.Period})
	}
	return list, nil
}

// statistics are a metric's data points, one for each period that has data.
func statistics(samples []sample, stat string, period, span time.Duration) []sample {
	groups := map[int64][]float64{}
	for _, s := range samples {
		if now.Sub(s.at) <= span {
			start := s.at.Truncate(period).Unix()
			groups[start] = append(groups[start], s.value)
		}
	}
	var points []sample
	for _, start := range slices.Sorted(maps.Keys(groups)) {
		points = append(points, sample{time.Unix(start, 0).UTC(), statistic(groups[start], stat)})
	}
	return points
}

func statistic(values []float64, stat string) float64 {
	slices.Sort(values)
	switch stat {
	case "Minimum":
		return values[0]
	case "Maximum":
		return values[len(values)-1]
	case "Sum":
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum
	default: // p50, p95
		var share float64
		if _, err := fmt.Sscanf(stat, "p%f", &share); err != nil {
			return math.NaN()
		}
		return values[max(int(math.Ceil(share/100*float64(len(values))))-1, 0)]
	}
}

// repeated is FILL(…, REPEAT): each period without data has the value of the one before.
func repeated(points []sample, period time.Duration) []sample {
	if len(points) == 0 {
		return nil
	}
	var out []sample
	i := 0
	for t := points[0].at; !t.After(now); t = t.Add(period) {
		for i+1 < len(points) && !points[i+1].at.After(t) {
			i++
		}
		out = append(out, sample{t, points[i].value})
	}
	return out
}

// timeSeries makes lines of a table whose first column is a bin.
func timeSeries(t insights.Table, span time.Duration) []plotted {
	var lines []plotted
	for i, name := range t.Columns[1:] {
		l := plotted{label: name, color: palette[i%len(palette)], period: span}
		for _, cells := range t.Rows {
			at, _ := cells[0].(float64)
			value, _ := cells[i+1].(float64)
			l.points = append(l.points, sample{time.UnixMilli(int64(at)).UTC(), value})
		}
		slices.SortFunc(l.points, func(a, b sample) int { return a.at.Compare(b.at) })
		l.points = slices.DeleteFunc(l.points, func(s sample) bool { return now.Sub(s.at) > span })
		lines = append(lines, l)
	}
	return lines
}
