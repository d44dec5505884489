package redact

import (
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// MinSecret is the shortest secret that can be scrubbed: what is shorter would stand in honest texts by chance.
	MinSecret = 8
	// minPiece is the shortest piece of a longer secret that is scrubbed, and minPieceBase64 what 16 characters of
	// its base64 form hold for sure.
	minPiece       = 16
	minPieceBase64 = 11
	// The index has words of gram bytes, at multiples of stride. Each piece of minPieceBase64 bytes holds a whole one.
	gram   = 8
	stride = 4
	// maxLayers bounds how many encodings are undone: JSON in JSON in a URL, and one to spare.
	maxLayers = 4
	// maxSecrets bounds the index to some 10 MB. An environment that renews 200 tokens every 15 minutes stays below it
	// for an hour; then those that were not read again for the longest time go.
	maxSecrets = 1024
	evicted    = maxSecrets / 8 // at once, as each eviction builds the index anew
)

// Scrubber replaces every registered secret, whole or in pieces of 16 bytes or more, as it is and base64-, URL- or
// JSON-encoded, also one in the other, by [redacted]. It is safe for concurrent use.
type Scrubber struct {
	mu      sync.RWMutex
	secrets []string // the one that was added last stands last
	index   index
}

// Add registers secrets. One shorter than MinSecret is ignored: its owner must refuse it.
func (s *Scrubber) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if len(secret) < MinSecret {
			continue
		}
		if at := slices.Index(s.secrets, secret); at >= 0 {
			s.secrets = append(slices.Delete(s.secrets, at, at+1), secret)
			continue
		}
		s.secrets = append(s.secrets, secret)
		if len(s.secrets) <= maxSecrets {
			s.index.add(secret)
			continue
		}
		s.secrets = slices.Delete(s.secrets, 0, evicted)
		s.index = index{}
		for _, kept := range s.secrets {
			s.index.add(kept)
		}
	}
}

// Keep registers a secret and wraps it: the one way to make a Secret of what came from outside, so that none is
// forgotten. As long as the Secret is reachable it is in use, and Scrub knows it.
func (s *Scrubber) Keep(value string) Secret {
	s.Add(value)
	return New(value)
}

// Scrub returns text without the registered secrets.
func (s *Scrubber) Scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.secrets) == 0 || len(text) < gram {
		return text
	}
	search := search{index: &s.index}
	search.in(&view{text: []byte(text), piece: minPiece}, 0)
	spans := search.spans
	if len(spans) == 0 {
		return text
	}
	widen(spans, text)
	slices.SortFunc(spans, func(a, b span) int { return int(a.from) - int(b.from) })
	var out strings.Builder
	at := int32(0)
	for _, sp := range spans {
		if sp.from >= at {
			out.WriteString(text[at:sp.from])
			out.WriteString(Redacted)
		}
		at = max(at, sp.to)
	}
	out.WriteString(text[at:])
	return out.String()
}

// widen moves the ends of spans out of escape sequences and characters: half of one would break the JSON of a log line.
func widen(spans []span, text string) {
	var escapes []span
	if plain := (&view{text: []byte(text)}).unescape('\\', unescapeBackslash); plain != nil {
		escapes = plain.origin
	}
	for i, sp := range spans {
		for at := sp.from; at > 0 && text[at]&0xC0 == 0x80; at-- {
			sp.from = at - 1
		}
		for at := sp.to; int(at) < len(text) && text[at]&0xC0 == 0x80; at++ {
			sp.to = at + 1
		}
		if len(escapes) > 0 {
			within := func(at int32) span {
				j, _ := slices.BinarySearchFunc(escapes, at, func(e span, at int32) int { return int(e.to) - int(at) - 1 })
				return escapes[min(j, len(escapes)-1)]
			}
			sp.from, sp.to = min(sp.from, within(sp.from).from), max(sp.to, within(sp.to-1).to)
		}
		spans[i] = sp
	}
}

// index finds secrets by the words that they hold.
type index struct {
	needles []string
	words   map[uint64]int32 // a word's first place, as its number plus one
	places  []place
	present [1 << 10]uint64 // a Bloom filter of one hash before the map: most of a text is no word of a secret
}

// place is where a needle has a word, and the number plus one of the next place that has the same.
type place struct{ needle, offset, next int32 }

func (x *index) add(secret string) {
	x.addNeedle(secret)
	// The one encoding that view does not undo, as a plus sign is far more often one: application/x-www-form-urlencoded.
	if strings.Contains(secret, " ") {
		x.addNeedle(strings.ReplaceAll(secret, " ", "+"))
	}
}

func (x *index) addNeedle(text string) {
	if x.words == nil {
		x.words = map[uint64]int32{}
	}
	for at := 0; at+gram <= len(text); at += stride {
		word := wordAt([]byte(text[at:at+gram]), 0)
		x.places = append(x.places, place{int32(len(x.needles)), int32(at), x.words[word]}) //nolint:gosec // a secret has at most 64 KiB
		x.words[word] = int32(len(x.places))                                                //nolint:gosec // see above
		h := hash(word)
		x.present[h>>6] |= 1 << (h & 63)
	}
	x.needles = append(x.needles, text)
}

func wordAt(s []byte, i int) uint64 {
	_ = s[i+gram-1]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

func hash(word uint64) uint64 { return word * 0x9E3779B97F4A7C15 >> 48 }

// search is one search of a text. Almost all that it decodes is nothing, so it keeps the memory for that.
type search struct {
	index   *index
	spans   []span
	decoded [maxLayers]view // by depth
}

// in finds the secrets in a view and in what comes out when more layers of its encoding are undone.
// Percent-encoding and backslashes are undone one by one: what one leaves alone may look like the other.
func (s *search) in(v *view, depth int) {
	s.spans = s.index.find(v, s.spans)
	if depth == maxLayers {
		return
	}
	if plain := v.unescape('%', unescapePercent); plain != nil {
		s.in(plain, depth+1)
	}
	if plain := v.unescape('\\', unescapeBackslash); plain != nil {
		s.in(plain, depth+1)
	}
	for from, to := nextBase64(v.text, 0); from < to; from, to = nextBase64(v.text, to) {
		for skip := 0; skip < 8 && 6*(to-from)-skip >= 8*gram; skip += 2 {
			s.decoded[depth].decode(v, from, to, skip)
			s.in(&s.decoded[depth], depth+1)
		}
	}
}

// shortestBase64 is how many characters of base64 hold a word, without what is left over at both ends.
const shortestBase64 = (8*gram + 5) / 6

// nextBase64 is the next run of base64 that may hold a word, at or behind from. There is none where to is not behind
// from. It looks at each shortestBase64th byte only, as such a run holds one of them.
func nextBase64(text []byte, from int) (begin, to int) {
	for at := from + shortestBase64 - 1; at < len(text); at += shortestBase64 {
		if !isBase64(text[at]) {
			continue
		}
		begin, to = at, at+1
		for begin > from && isBase64(text[begin-1]) {
			begin--
		}
		for to < len(text) && isBase64(text[to]) {
			to++
		}
		if to-begin >= shortestBase64 {
			return begin, to
		}
		from, at = to, to-1
	}
	return 0, 0
}

// find adds the secrets and pieces in a view as it is.
func (x *index) find(v *view, spans []span) []span {
	for i := 0; i+gram <= len(v.text); i++ {
		word := wordAt(v.text, i)
		if h := hash(word); x.present[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		first, last := i, 0
		for n := x.words[word]; n > 0; n = x.places[n-1].next {
			needle := x.needles[x.places[n-1].needle]
			from, to := i, i+gram
			for a := int(x.places[n-1].offset); a > 0 && from > 0 && needle[a-1] == v.text[from-1]; a-- {
				from--
			}
			for b := int(x.places[n-1].offset) + gram; b < len(needle) && to < len(v.text) && needle[b] == v.text[to]; b++ {
				to++
			}
			if to-from >= min(len(needle), v.piece) {
				first, last = min(first, from), max(last, to)
			}
		}
		if last > 0 {
			spans = append(spans, v.origins(first, last))
			i = last - gram // another secret may begin where this one ends
		}
	}
	return spans
}

// Writer scrubs what is written to w. Each Write must hold whole lines, as log handlers write them.
func (s *Scrubber) Writer(w io.Writer) io.Writer { return writer{s, w} }

type writer struct {
	scrubber *Scrubber
	to       io.Writer
}

func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, w.scrubber.Scrub(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
