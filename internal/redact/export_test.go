package redact

// IsPublic reports whether a piece of a secret is none.
func IsPublic(piece string) bool { return isPublic(piece) }

// Size is how much is looked for, in bytes.
func (s *Scrubber) Size() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}
