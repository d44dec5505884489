package redact

import (
	"encoding/binary"
	"slices"
	"strings"
)

// index finds secrets by their words: every 8 consecutive bytes of one. A text of which every 8 consecutive
// bytes are a word of a secret is a piece of secrets.
type index struct {
	words map[uint64]struct{}
	short map[uint64][]string // secrets that are shorter than a piece, by their first word
}

const wordSize = MinSecret

func word(text []byte) uint64 { return binary.LittleEndian.Uint64(text) }

// add indexes a secret, its encoding in a form (application/x-www-form-urlencoded writes spaces as plus signs,
// which are far more often plus signs, so that views leave them alone), its quotation, and it without spaces.
func (x *index) add(secret string) {
	if x.words == nil {
		x.words, x.short = map[uint64]struct{}{}, map[uint64][]string{}
	}
	for _, part := range unframed(secret) {
		forms := []string{part, strings.ReplaceAll(part, " ", "+"), oneLine(part), strings.Join(strings.Fields(part), "")}
		for i, form := range forms {
			if len(form) >= MinSecret && !slices.Contains(forms[:i], form) {
				x.addForm(form)
			}
		}
	}
}

func (x *index) addForm(form string) {
	text := []byte(form)
	for at := range len(text) - wordSize + 1 {
		x.words[word(text[at:])] = struct{}{}
	}
	if len(text) < minPiece {
		first := word(text)
		x.short[first] = append(x.short[first], form)
	}
}

// search adds the parts of the text itself that secrets in the view, and in its views with further layers of encoding
// are undone, were made of.
func (x *index) search(v *view, depth int, spans []span) []span {
	spans = x.find(v, spans)
	if depth == maxLayers {
		return spans
	}
	// One by one: what one encoding leaves alone may look like an escape of another.
	for _, plain := range []*view{
		v.unescape('%', unescapePercent), v.unescape('\\', unescapeBackslash), v.unescape('&', unescapeHTML),
		v.unescape('=', unescapeQuoted),
	} {
		if plain != nil {
			spans = x.search(plain, depth+1, spans)
		}
	}
	for plain := range v.spaced() {
		spans = x.search(plain, depth+1, spans)
	}
	for r := range v.runs(isBase64) {
		for skip := 0; skip < 8 && 6*(r.to-r.from)-skip >= 8*wordSize; skip += 2 {
			spans = x.search(v.decode(r.from, r.to, skip), depth+1, spans)
		}
	}
	for r := range v.runs(isHex) {
		for from := r.from; from < r.from+2 && r.to-from >= 2*wordSize; from++ { // what is cut off may begin with half a byte
			spans = x.search(v.decodeHex(from, r.to), depth+1, spans)
		}
	}
	return spans
}

// find adds the secrets and pieces in a view as it is.
func (x *index) find(v *view, spans []span) []span {
	known := func(at int) bool {
		if at+wordSize > len(v.text) {
			return false
		}
		_, ok := x.words[word(v.text[at:])]
		return ok
	}
	for from := 0; from+wordSize <= len(v.text); from++ {
		if !known(from) {
			continue
		}
		last := from
		for known(last + 1) {
			last++
		}
		to := last + wordSize
		if to-from < v.piece {
			spans = x.findShort(v, from, to, spans)
		} else if !isPublic(string(v.text[from:to])) {
			spans = append(spans, v.origins(from, to))
		}
		from = last
	}
	return spans
}

// findShort adds the secrets between from and to that are shorter than a piece.
func (x *index) findShort(v *view, from, to int, spans []span) []span {
	for at := from; at+wordSize <= to; at++ {
		for _, secret := range x.short[word(v.text[at:])] {
			if strings.HasPrefix(string(v.text[at:to]), secret) && !isTime(secret) {
				spans = append(spans, v.origins(at, at+len(secret)))
			}
		}
	}
	return spans
}
