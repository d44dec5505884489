package token

import (
	"encoding/base64"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// gitHubExpiryHeader comes with every answer to a GitHub token that ends (GitHub's REST documentation,
// "Token expiration").
const gitHubExpiryHeader = "Github-Authentication-Token-Expiration"

// expiry tells when the token ends as far as the secret says: the JWT's exp (read, not verified: this is a forecast),
// then expires_at. Zero: unknown, or minted: such a token is renewed by itself.
func (d Document) expiry(expiresAt time.Time) time.Time {
	if d.Minted() {
		return time.Time{}
	}
	if t := jwtExpiry(d.Token.Reveal()); !t.IsZero() {
		return t
	}
	return expiresAt
}

// HeaderExpiry reads the expiry that a target tells in its answer. Zero: none.
func HeaderExpiry(h http.Header) time.Time {
	text := h.Get(gitHubExpiryHeader)
	if text == "" {
		return time.Time{} // two allocations less for each layout
	}
	for _, layout := range []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 -0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && writable(t) {
			return t.UTC()
		}
	}
	return time.Time{}
}

// writable tells whether RFC 3339 can write t in UTC. Whoever encodes another one as JSON gets an error for a result.
func writable(t time.Time) bool { return 1 <= t.UTC().Year() && t.UTC().Year() <= 9999 }

// jwtExpiry reads exp, a NumericDate that may have a fraction (RFC 7519 section 2), from a JWS in compact form.
func jwtExpiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}
	}
	claims, _, err := jsondoc.Parse(payload)
	if err != nil {
		return time.Time{}
	}
	exp := claims.Get("exp")
	if exp.Kind != jsondoc.Number {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(exp.Text, 64)
	const year9999 = 253402300799 // the last second that RFC 3339 can write
	if err != nil || seconds <= 0 || seconds > year9999 {
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}
