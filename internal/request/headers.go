package request

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/ascii"
)

// notForUsers are the headers that the call itself sets (RFC 9110 and RFC 9112), in canonical form. Proxy-* is rejected
// as well: no proxy is used, and Proxy-Authorization is a credential.
var notForUsers = []string{"Authorization", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade"}

// CheckHeaderName rejects what is not a field name (RFC 9110 section 5.1) and what an event must not set.
func CheckHeaderName(name string) error {
	if !ascii.Consists(name, 1, len(name), ascii.IsTokenByte) {
		return errors.New("is not a header name")
	}
	canonical := http.CanonicalHeaderKey(name)
	if slices.Contains(notForUsers, canonical) || strings.HasPrefix(canonical, "Proxy-") {
		return errors.New("must not be set: the call sets it itself")
	}
	return nil
}

// ValidHeaderValue rejects control bytes and non-ASCII: a target may read those differently from the user. net/http
// sends bytes above 0x7f as they are and rejects CR, LF and NUL with an error that comes only at the call. A tab is
// allowed (RFC 9110 section 5.5).
func ValidHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if (c < ' ' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}
