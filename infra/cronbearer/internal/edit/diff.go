package edit

import (
	"slices"
	"strings"
)

// Line is a line of a diff: '+' is new, '-' is gone, '~' is new text in the place of an old one.
type Line struct {
	Kind   byte
	Number int // in the new template; of a line that is gone, in the old one
	Text   string
	Was    string // of '~'
}

// Diff returns the lines that differ, in order.
func Diff(before, after []byte) []Line {
	a, b := split(before), split(after)
	var found []Line
	for _, h := range hunks(a, b) {
		gone, come := a[h.a0:h.a1], b[h.b0:h.b1]
		both := min(len(gone), len(come))
		for i := range both {
			found = append(found, Line{'~', h.b0 + i + 1, come[i], gone[i]})
		}
		for i := both; i < len(gone); i++ {
			found = append(found, Line{Kind: '-', Number: h.a0 + i + 1, Text: gone[i]})
		}
		for i := both; i < len(come); i++ {
			found = append(found, Line{Kind: '+', Number: h.b0 + i + 1, Text: come[i]})
		}
	}
	return found
}

func split(data []byte) []string {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// hunk is lines a0 to a1 of the old text in whose place are lines b0 to b1 of the new one.
type hunk struct{ a0, a1, b0, b1 int }

// hunks is Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986), with what only
// moves along equal lines moved as far down as it goes, so that a new block ends where blocks end.
func hunks(a, b []string) []hunk {
	trace, d := paths(a, b)
	var found []hunk
	x, y := len(a), len(b)
	for ; d > 0; d-- {
		v, k := trace[d-1], x-y
		down := k == -d || k != d && v[k-1] < v[k+1]
		if down {
			k++
		} else {
			k--
		}
		px := v[k]
		py := px - k
		h := hunk{px, px, py, py + 1}
		if !down {
			h = hunk{px, px + 1, py, py}
		}
		if n := len(found); n > 0 && found[n-1].a0 == h.a1 && found[n-1].b0 == h.b1 {
			found[n-1].a0, found[n-1].b0 = h.a0, h.b0
		} else {
			found = append(found, h)
		}
		x, y = px, py
	}
	slices.Reverse(found)
	for i := range found {
		found[i].slide(a, b, i+1 < len(found) && found[i+1].a0 <= found[i].a1)
	}
	return found
}

// paths returns how far each diagonal was reached with each number of edits, and how many are needed.
func paths(a, b []string) (trace []map[int]int, edits int) {
	v := map[int]int{1: 0}
	for d := 0; ; d++ {
		next := map[int]int{}
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				if k == -d || k != d && v[k-1] < v[k+1] {
					x = v[k+1]
				} else {
					x = v[k-1] + 1
				}
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			next[k] = x
			if x >= len(a) && x-k >= len(b) {
				return append(trace, next), d
			}
		}
		trace, v = append(trace, next), next
	}
}

func (h *hunk) slide(a, b []string, blocked bool) {
	if blocked {
		return
	}
	for h.a0 == h.a1 && h.b1 < len(b) && h.a0 < len(a) && b[h.b0] == b[h.b1] {
		h.a0, h.a1, h.b0, h.b1 = h.a0+1, h.a1+1, h.b0+1, h.b1+1
	}
	for h.b0 == h.b1 && h.a1 < len(a) && h.b0 < len(b) && a[h.a0] == a[h.a1] {
		h.a0, h.a1, h.b0, h.b1 = h.a0+1, h.a1+1, h.b0+1, h.b1+1
	}
}
