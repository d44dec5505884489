package redact

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"weak"
)

const (
	// MinSecret is the shortest secret that is scrubbed: a shorter one would stand in honest texts by chance.
	MinSecret = 8
	// minPiece is the shortest piece of a longer secret that is scrubbed, and minPieceBase64 what 16 characters of its
	// base64 form hold at least.
	minPiece       = 16
	minPieceBase64 = 11
	// maxIndexed is how much of a secret is looked for, in bytes. Nothing longer is used as a token, so that of an endpoint's
	// "token" of a megabyte only the beginning could ever be quoted.
	maxIndexed = 8 << 10
	// maxUnused bounds the secrets that are no longer in use, in bytes: some hundred tokens that were replaced and that a late
	// answer may still echo. The index takes up to twenty times as much.
	maxUnused = 256 << 10
	// maxLayers bounds how many encodings are undone: JSON in JSON in base64 in a URL.
	maxLayers = 4
)

// Scrubber replaces each registered secret, whole or in pieces of 16 bytes or more, by [redacted]: as it is and base64-,
// URL- or JSON-encoded, also one in the other. It is safe for concurrent use. Its zero value knows no secret.
type Scrubber struct {
	mu      sync.RWMutex
	index   index
	entries map[string]*entry // by what is looked for
	size    int               // of the keys, in bytes
	limit   int               // of size, until something is forgotten
	uses    uint64
}

// entry is a registered secret.
type entry struct {
	used    uint64                            // the larger, the later
	holders map[weak.Pointer[string]]struct{} // what keeps it in use as long as it is reachable
	enough  int                               // how many holders there may be before those that are gone are forgotten
	secret  weak.Pointer[string]              // the holder that Keep returned last
}

// hold adds a holder. Those that are gone are looked for when their number has doubled, so that a secret that each run reads
// costs each run the same.
func (e *entry) hold(holder weak.Pointer[string]) {
	if len(e.holders) >= e.enough {
		e.inUse()
		e.enough = max(16, 2*len(e.holders))
	}
	if e.holders == nil {
		e.holders = map[weak.Pointer[string]]struct{}{}
	}
	e.holders[holder] = struct{}{}
}

// inUse reports whether a holder is reachable, and forgets those that are not.
func (e *entry) inUse() bool {
	maps.DeleteFunc(e.holders, func(h weak.Pointer[string], _ struct{}) bool { return h.Value() == nil })
	return len(e.holders) > 0
}

// Keep registers a value and wraps it: the one way to make a Secret of what came from outside, so that none is forgotten.
// As long as the Secret is reachable, it is in use and stays registered.
func (s *Scrubber) Keep(value string) Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.add(value)
	if e == nil {
		return New(value)
	}
	if same := e.secret.Value(); same != nil && *same == value { // an entry is of the beginning only
		return Secret{same}
	}
	secret := New(value)
	e.secret = weak.Make(secret.value)
	e.hold(e.secret)
	return secret
}

// Holder registers secrets that are in use together, such as those of one version of a secret: as long as it is
// reachable, they stay registered.
type Holder struct {
	scrubber *Scrubber
	life     *string
}

// Holder returns a new Holder.
func (s *Scrubber) Holder() *Holder { return &Holder{scrubber: s, life: new(string)} }

// Add registers secrets for as long as the Holder is reachable.
func (h *Holder) Add(secrets ...string) {
	h.scrubber.mu.Lock()
	defer h.scrubber.mu.Unlock()
	for _, secret := range secrets {
		if e := h.scrubber.add(secret); e != nil {
			e.hold(weak.Make(h.life))
		}
	}
}

// Add registers secrets that are used up at once, such as the assertion of one request. It may forget them when many
// others have come since; what is held for longer goes through Keep or a Holder.
func (s *Scrubber) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		s.add(secret)
	}
}

// add returns nil for what is too short: its owner must refuse it.
func (s *Scrubber) add(secret string) *entry {
	secret = secret[:min(len(secret), maxIndexed)]
	if len(secret) < MinSecret {
		return nil
	}
	s.uses++
	if e := s.entries[secret]; e != nil {
		e.used = s.uses
		return e
	}
	if s.size += len(secret); s.size > max(s.limit, maxUnused) {
		s.size -= len(secret)
		s.forget()
		s.size += len(secret)
	}
	if s.entries == nil {
		s.entries = map[string]*entry{}
	}
	e := &entry{used: s.uses}
	s.entries[strings.Clone(secret)] = e // not to hold the document that it was a part of
	s.index.add(secret)
	return e
}

// forget drops what has been out of use for the longest time, so that half of maxUnused is left of it.
func (s *Scrubber) forget() {
	type unused struct {
		text string
		used uint64
	}
	var list []unused
	for text, e := range s.entries {
		if !e.inUse() {
			list = append(list, unused{text, e.used})
		}
	}
	slices.SortFunc(list, func(a, b unused) int { return cmp.Compare(b.used, a.used) })
	left := maxUnused / 2
	for _, u := range list {
		if left -= len(u.text); left < 0 {
			delete(s.entries, u.text)
			s.size -= len(u.text)
		}
	}
	s.limit = s.size + maxUnused/2
	s.index = index{}
	for text := range s.entries {
		s.index.add(text)
	}
}

// Scrub returns text without the registered secrets. Give it values, before they become JSON.
func (s *Scrubber) Scrub(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.entries) == 0 || len(text) < MinSecret {
		return text
	}
	spans := s.index.search(&view{text: []byte(text), piece: minPiece}, 0, nil)
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out strings.Builder
	at := 0
	for _, sp := range spans {
		sp = sp.wholeCharacters(text)
		if sp.from >= at {
			out.WriteString(text[at:sp.from])
			out.WriteString(Redacted)
		}
		at = max(at, sp.to)
	}
	out.WriteString(text[at:])
	return out.String()
}

// wholeCharacters widens a span that begins or ends inside a character, half of which would not be UTF-8.
func (sp span) wholeCharacters(text string) span {
	for sp.from > 0 && !utf8.RuneStart(text[sp.from]) {
		sp.from--
	}
	for sp.to < len(text) && !utf8.RuneStart(text[sp.to]) {
		sp.to++
	}
	return sp
}

// index finds secrets by their words: all that stands in 8 successive bytes of one. A text of which each 8 successive
// bytes are a word of a secret is a piece of secrets.
type index struct {
	words map[uint64]struct{}
	short map[uint64][]string // secrets that are shorter than a piece, by their first word
}

const wordSize = MinSecret

func word(text []byte) uint64 { return binary.LittleEndian.Uint64(text) }

// add takes a secret, and what becomes of it in a form (application/x-www-form-urlencoded writes spaces as plus signs,
// which are far more often plus signs, so that views leave them alone) and in a quotation.
func (x *index) add(secret string) {
	if x.words == nil {
		x.words, x.short = map[uint64]struct{}{}, map[uint64][]string{}
	}
	for _, part := range unframed(secret) {
		forms := []string{part, strings.ReplaceAll(part, " ", "+"), oneLine(part)}
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

// search adds the parts of the text itself that secrets in the view, and in what comes out when more layers of encoding
// are undone, were made of.
func (x *index) search(v *view, depth int, spans []span) []span {
	spans = x.find(v, spans)
	if depth == maxLayers {
		return spans
	}
	// One by one: what percent-encoding leaves alone may look like a backslash escape, and the other way round.
	for _, plain := range []*view{v.unescape('%', unescapePercent), v.unescape('\\', unescapeBackslash)} {
		if plain != nil {
			spans = x.search(plain, depth+1, spans)
		}
	}
	for from := 0; from < len(v.text); from++ {
		to := from
		for to < len(v.text) && isBase64(v.text[to]) {
			to++
		}
		for skip := 0; skip < 8 && 6*(to-from)-skip >= 8*wordSize; skip += 2 {
			spans = x.search(v.decode(from, to, skip), depth+1, spans)
		}
		from = to
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
