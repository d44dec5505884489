package redact

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"weak"
)

const (
	// MinSecret is the shortest secret that is scrubbed: a shorter one would appear in ordinary texts by chance.
	MinSecret = 8
	// minPiece is the shortest piece of a longer secret that is scrubbed, and minPieceBase64 what 16 characters of its
	// base64 form hold at least.
	minPiece       = 16
	minPieceBase64 = 11
	// maxIndexed is how much of a secret is searched for, in bytes. Nothing longer is used as a token, so that of an
	// endpoint's "token" of a megabyte only the beginning could ever be quoted.
	maxIndexed = 8 << 10
	// maxUnused bounds the secrets that are no longer in use, in bytes: some hundred tokens that were replaced and that a
	// late answer may still echo. The index needs up to twenty times as much.
	maxUnused = 256 << 10
	// maxLayers bounds how many encodings are undone: JSON in JSON in base64 in a URL.
	maxLayers = 4
)

// Scrubber replaces each registered secret, complete or in pieces of 16 bytes or more, with [redacted]: verbatim and
// in base64, hexadecimal digits, the escapes of URLs, JSON, HTML and quoted-printable, and UTF-16, also nested. A
// document of JSON stays one. It is safe for concurrent use. Its zero value knows no secret.
type Scrubber struct {
	mu      sync.RWMutex
	index   index
	entries map[string]*entry // by what is searched for
	size    int               // of the keys, in bytes
	limit   int               // of size, before something is forgotten
	uses    uint64
}

// entry is a registered secret.
type entry struct {
	used    uint64                            // the larger, the later
	holders map[weak.Pointer[string]]struct{} // it is in use as long as one of them is reachable
	enough  int                               // how many holders there may be before those that are gone are removed
}

// hold adds a holder. Those that are gone are removed when their number has doubled, so that a secret that each run
// reads costs each run the same.
func (e *entry) hold(holder *string) {
	if len(e.holders) >= e.enough {
		e.inUse()
		e.enough = max(16, 2*len(e.holders))
	}
	if e.holders == nil {
		e.holders = map[weak.Pointer[string]]struct{}{}
	}
	e.holders[weak.Make(holder)] = struct{}{}
}

// inUse reports whether a holder is reachable, and forgets those that are not.
func (e *entry) inUse() bool {
	maps.DeleteFunc(e.holders, func(h weak.Pointer[string], _ struct{}) bool { return h.Value() == nil })
	return len(e.holders) > 0
}

// Keep registers a value and wraps it: the only way to make a Secret of external data, so that none is
// forgotten. As long as the Secret is reachable, it is in use and stays registered.
func (s *Scrubber) Keep(value string) Secret {
	secret := New(value)
	(&Holder{s, secret.value}).Add(value)
	return secret
}

// Holder registers secrets that are in use together, such as those of one version of a secret: as long as it is
// reachable, they stay registered.
type Holder struct {
	scrubber *Scrubber
	life     *string
}

// Holder returns a new Holder.
func (s *Scrubber) Holder() *Holder { return &Holder{s, new(string)} }

// Keep registers a value and wraps it, like Scrubber.Keep, for as long as the Holder is reachable.
func (h *Holder) Keep(value string) Secret {
	h.Add(value)
	return New(value)
}

// Add registers secrets for as long as the Holder is reachable.
func (h *Holder) Add(secrets ...string) {
	h.scrubber.mu.Lock()
	defer h.scrubber.mu.Unlock()
	for _, secret := range secrets {
		if e := h.scrubber.add(secret); e != nil {
			e.hold(h.life)
		}
	}
}

// Add registers secrets that are used once, such as the assertion of one request. It may forget them when many
// others have been registered since; longer-lived ones are registered with Keep or a Holder.
func (s *Scrubber) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		s.add(secret)
	}
}

// add returns nil for a secret that is too short: its owner must reject it.
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

// Scrub returns text without the registered secrets. Pass values before they become JSON.
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
	for i, sp := range spans {
		spans[i] = sp.wholeCharacters(text)
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	clean := replace(text, spans, Redacted)
	if isDocument(text) && !isDocument(clean) {
		if clean := replace(text, touched(tokens(text), spans), `"`+Redacted+`"`); isDocument(clean) {
			return clean
		}
	}
	return clean
}

// replace puts something in place of spans, which are sorted. Those that overlap are replaced once.
func replace(text string, spans []span, by string) string {
	var out strings.Builder
	at := 0
	for _, sp := range spans {
		if sp.from >= at {
			out.WriteString(text[at:sp.from])
			out.WriteString(by)
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
