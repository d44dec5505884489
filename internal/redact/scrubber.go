package redact

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// MinSecret is the shortest secret that can be scrubbed: what is shorter would stand in honest texts by chance.
	MinSecret = 8
	// minPiece is the shortest piece of a longer secret that is scrubbed.
	minPiece = 16
	// gram is the unit of the index. Every piece of minPiece bytes holds a whole gram that begins at a multiple of
	// gram, so only those need to be indexed: an eighth of the memory that all positions would take.
	gram = 8
	// maxUnescape bounds how often a text is unescaped: JSON in JSON in a URL, and one to spare.
	maxUnescape = 4
	// maxSecrets bounds the index. An environment that renews 200 tokens every 15 minutes stays below it for an
	// hour; the oldest go first.
	maxSecrets = 1024
)

// Scrubber replaces every registered secret, whole or in pieces of 16 bytes or more, as it is and base64-, URL- or
// JSON-encoded, by [redacted]. It is safe for concurrent use.
type Scrubber struct {
	mu      sync.RWMutex
	order   []string // registered secrets, oldest first
	known   map[string][]*needle
	grams   map[uint64][]place
	present [1 << 10]uint64 // a Bloom filter of one hash before the map: most of a text is no gram of a secret
}

// needle is one way in which a secret may be written.
type needle struct {
	text string
	min  int
}

type place struct {
	needle *needle
	offset int
}

// Add registers secrets. One shorter than MinSecret is ignored: its owner must refuse it.
func (s *Scrubber) Add(secrets ...string) {
	for _, secret := range secrets {
		if len(secret) >= MinSecret {
			s.add(secret)
		}
	}
}

func (s *Scrubber) add(secret string) {
	s.mu.RLock()
	_, found := s.known[secret]
	s.mu.RUnlock()
	if found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.known[secret]; found {
		return
	}
	if s.known == nil {
		s.known, s.grams = map[string][]*needle{}, map[uint64][]place{}
	}
	s.known[secret] = needles(secret)
	s.order = append(s.order, secret)
	s.index(s.known[secret])
	if len(s.order) > maxSecrets {
		delete(s.known, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
		s.grams, s.present = map[uint64][]place{}, [1 << 10]uint64{}
		for _, n := range s.known {
			s.index(n)
		}
	}
}

func (s *Scrubber) index(needles []*needle) {
	for _, n := range needles {
		for at := 0; at+gram <= len(n.text); at += gram {
			key := binary.LittleEndian.Uint64([]byte(n.text[at:]))
			s.grams[key] = append(s.grams[key], place{n, at})
			h := hash(key)
			s.present[h>>6] |= 1 << (h & 63)
		}
	}
}

func hash(key uint64) uint64 { return key * 0x9E3779B97F4A7C15 >> 48 }

// needles lists the writings of a secret that unescaping the text does not undo: base64 at each of the three
// alignments that a prefix of unknown length can give it, and spaces as plus signs.
func needles(secret string) []*needle {
	list := []*needle{{secret, min(len(secret), minPiece)}}
	add := func(text string) {
		if len(text) < gram || slices.ContainsFunc(list, func(n *needle) bool { return n.text == text }) {
			return
		}
		list = append(list, &needle{text, min(len(text), minPiece)})
	}
	if strings.Contains(secret, " ") {
		add(strings.ReplaceAll(secret, " ", "+"))
	}
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		first, last := (8*shift+5)/6, 8*len(padded)/6 // the characters that the secret alone decides
		add(base64.RawStdEncoding.EncodeToString(padded)[first:last])
		add(base64.RawURLEncoding.EncodeToString(padded)[first:last])
	}
	return list
}

// Scrub returns text without the registered secrets.
func (s *Scrubber) Scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.known) == 0 || len(text) < gram {
		return text
	}
	spans := s.find(text, nil, nil)
	view, origin := text, []int32(nil)
	for range maxUnescape {
		var changed bool
		if view, origin, changed = unescape(view, origin); !changed {
			break
		}
		spans = s.find(view, origin, spans)
	}
	if len(spans) == 0 {
		return text
	}
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

type span struct{ from, to int32 }

// find adds the secrets in view. origin[i] is where view[i] begins in the text; nil means at i.
func (s *Scrubber) find(view string, origin []int32, spans []span) []span {
	for i := 0; i+gram <= len(view); i++ {
		key := uint64(view[i]) | uint64(view[i+1])<<8 | uint64(view[i+2])<<16 | uint64(view[i+3])<<24 |
			uint64(view[i+4])<<32 | uint64(view[i+5])<<40 | uint64(view[i+6])<<48 | uint64(view[i+7])<<56
		if h := hash(key); s.present[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		longest := span{}
		for _, p := range s.grams[key] {
			from, to := i, i+gram
			for a := p.offset; a > 0 && from > 0 && p.needle.text[a-1] == view[from-1]; a-- {
				from--
			}
			for b := p.offset + gram; b < len(p.needle.text) && to < len(view) && p.needle.text[b] == view[to]; b++ {
				to++
			}
			if to-from >= p.needle.min && to-from > int(longest.to-longest.from) {
				longest = span{int32(from), int32(to)} //nolint:gosec // a text of 2 GiB does not fit into a Lambda function
			}
		}
		if longest.to == 0 {
			continue
		}
		i = max(i, int(longest.to)-gram)
		if origin != nil {
			longest = span{origin[longest.from], origin[longest.to]}
		}
		spans = append(spans, longest)
	}
	return spans
}

// unescape undoes one layer of percent-encoding and of JSON's and Go's backslash escapes. origin gets one entry more
// than the result has bytes, so that the end of a span maps as well.
func unescape(text string, before []int32) (result string, origin []int32, changed bool) {
	if !strings.ContainsAny(text, `%\`) {
		return text, before, false
	}
	at := func(i int) int32 {
		if before == nil {
			return int32(i) //nolint:gosec // see find
		}
		return before[i]
	}
	out := make([]byte, 0, len(text))
	origin = make([]int32, 0, len(text)+1)
	for i := 0; i < len(text); {
		decoded, n := unescapeOne(text[i:])
		changed = changed || n > 1
		for _, c := range decoded {
			out = append(out, c)
			origin = append(origin, at(i))
		}
		i += n
	}
	return string(out), append(origin, at(len(text))), changed
}

func unescapeOne(text string) (decoded []byte, length int) {
	c := text[0]
	if c == '%' && len(text) >= 3 {
		if v, ok := unhex(text[1:3]); ok {
			return []byte{byte(v)}, 3
		}
	}
	if c == '\\' && len(text) >= 2 {
		switch e := text[1]; e {
		case '"', '\\', '/', '\'':
			return []byte{e}, 2
		case 'n', 'r', 't', 'b', 'f':
			return []byte{map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f'}[e]}, 2
		case 'u':
			if len(text) >= 6 {
				if v, ok := unhex(text[2:6]); ok {
					return utf8.AppendRune(nil, v), 6
				}
			}
		case 'x':
			if len(text) >= 4 {
				if v, ok := unhex(text[2:4]); ok {
					return []byte{byte(v)}, 4
				}
			}
		}
	}
	return []byte{c}, 1
}

func unhex(digits string) (rune, bool) {
	var v rune
	for _, d := range []byte(digits) {
		switch {
		case '0' <= d && d <= '9':
			v = v<<4 | rune(d-'0')
		case 'a' <= d && d <= 'f':
			v = v<<4 | rune(d-'a'+10)
		case 'A' <= d && d <= 'F':
			v = v<<4 | rune(d-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
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
