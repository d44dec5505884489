package main

import (
	"slices"
	"time"
)

// values are the measurements of one kind, one for each process.
type values []float64

func (v values) sorted() values {
	c := slices.Clone(v)
	slices.Sort(c)
	return c
}

// quantile is by nearest rank; of nothing it is 0.
func (v values) quantile(q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := v.sorted()
	at := int(q*float64(len(s))+0.999999) - 1
	return s[min(max(at, 0), len(s)-1)]
}

func (v values) median() float64 {
	if len(v) == 0 {
		return 0
	}
	s := v.sorted()
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func (v values) min() float64 { return v.quantile(0) }
func (v values) max() float64 { return v.quantile(1) }

// ratio compares two subjects, whose values are of the same rounds: the ratio of the medians, and the middle half of
// the rounds' own ratios.
type ratio struct{ value, low, high float64 }

func ratioOf(a, b values) ratio {
	var each values
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			each = append(each, a[i]/b[i])
		}
	}
	if len(each) == 0 || b.median() == 0 {
		return ratio{}
	}
	return ratio{a.median() / b.median(), each.quantile(0.25), each.quantile(0.75)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
