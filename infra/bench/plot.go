package main

import (
	"fmt"
	"math"
	"strings"
)

// plot draws start + first run of each subject as SVG: a bar of the median, a line from the fastest to the slowest, on
// a logarithmic axis.
func (r *results) plot(list []subject) string {
	const (
		width, left, right = 760, 190, 70
		top, row, gap      = 56, 22, 14
	)
	type bar struct {
		label string
		v     values
		fill  string
	}
	var bars []bar
	for _, emulated := range []bool{false, true} {
		size, fill := "a whole core", "#8fa8c8"
		if emulated {
			size, fill = fmt.Sprintf("%d MB", r.megabytes), "#2f5d8c"
		}
		for _, s := range list {
			v := r.each(key{s.name, pathAccepted, emulated}, coldOf)
			if len(v) == 0 {
				continue
			}
			if s.name == subjectOurs {
				fill = map[bool]string{false: "#e0a458", true: "#c4681a"}[emulated]
			}
			bars = append(bars, bar{s.name + ", " + size, v, fill})
			fill = map[bool]string{false: "#8fa8c8", true: "#2f5d8c"}[emulated]
		}
	}
	low, high := math.Inf(1), 0.0
	for _, b := range bars {
		low, high = math.Min(low, b.v.min()), math.Max(high, b.v.max())
	}
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	x := func(v float64) float64 {
		return left + (math.Log10(v)-first)/(last-first)*(width-left-right)
	}
	height := top + len(bars)*row + gap + 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#222">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="12" y="22" font-size="15" font-weight="bold">From the start to the end of the first run, ms</text>`+"\n")
	fmt.Fprintf(&b, `<text x="12" y="40" fill="#555">medians, fastest to slowest of the processes as a line; the axis is logarithmic; AWS and the target on loopback</text>`+"\n")
	for decade := first; decade <= last; decade++ {
		at := x(math.Pow(10, decade))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`+"\n", at, top-4, at, height-22)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%.0f</text>`+"\n", at, height-6, math.Pow(10, decade))
	}
	for i, bar := range bars {
		y := top + i*row
		if i > 0 && strings.Contains(bar.label, "MB") {
			y += gap
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+14, bar.label)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y+2, x(bar.v.median())-left, row-6, bar.fill)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#222"/>`+"\n", x(bar.v.min()), y+10, x(bar.v.max()), y+10)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", x(bar.v.max())+6, y+14, figure(bar.v.median()))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
