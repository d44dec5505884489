// Package redact keeps secrets out of everything that leaves the process. A Secret is a value that no verb, encoder or
// logger prints; a Scrubber removes one that is in a text anyway, such as a token that a server echoes. It encrypts
// nothing and wipes no memory. External data is registered and wrapped in one call, Keep, so that none is
// forgotten; New is only for what is not itself a credential, such as a document of registered secrets.
package redact

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Redacted appears where a secret would be.
const Redacted = "[redacted]"

// Secret holds a token, a client secret, a refresh token or a private key. Every verb, encoder and logger prints it as
// [redacted]. The value is behind a pointer: fmt cannot call methods on an unexported field, so that a plain string
// would leak from a struct that holds a Secret.
type Secret struct{ value *string }

// New returns a Secret that no Scrubber knows.
func New(value string) Secret { return Secret{&value} }

// Reveal returns the value. Call it only where the value is sent or stored again.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == nil || *s.value == "" }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String implements fmt.Stringer.
func (s Secret) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Redacted }

// Format implements fmt.Formatter, so that no verb reaches the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler, for encoders other than JSON and for map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
