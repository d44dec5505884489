package redact

import (
	"strings"
	"time"
)

// vocabulary is what a secret may share with our own texts without being secret: names and values of a secret's
// JSON, all of which is in its text if it was stored with the quotes of a shell. A piece that consists only of it is
// kept.
const vocabulary = `
"grant": "client_credentials",
"grant":"client_credentials",
"grant": "token_exchange",
"grant": "refresh_token",
"grant": "account_credentials",
"subject_token_type": "
"requested_token_type": "
"assertion_audience": "
"Authorization": "Bearer` + " \n" + `Authorization: Bearer` + " \n" + `urn:ietf:params:oauth:token-type:jwt
urn:ietf:params:oauth:token-type:access_token
urn:ietf:params:oauth:grant-type:jwt-bearer
urn:ietf:params:oauth:grant-type:token-exchange
urn:ietf:params:oauth:client-assertion-type:jwt-bearer
application/x-www-form-urlencoded
application/json; charset=utf-8
`

// isPublic reports whether a piece of a secret is not secret: our own words, or a time.
func isPublic(piece string) bool {
	return strings.Contains(vocabulary, piece) || isTime(piece)
}

// unframed returns the secret parts of a secret. The frame of a private key (RFC 7468 section 2) is not, or the help
// about a key could not show how a key begins.
func unframed(secret string) []string {
	if !strings.Contains(secret, "-----BEGIN ") {
		return []string{secret}
	}
	parts := []string{secret}
	for _, label := range []string{
		"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "PUBLIC KEY",
		"CERTIFICATE",
	} {
		for _, frame := range []string{"-----BEGIN " + label + "-----", "-----END " + label + "-----"} {
			var split []string
			for _, part := range parts {
				split = append(split, strings.Split(part, frame)...)
			}
			parts = split
		}
	}
	for i, part := range parts {
		parts[i] = strings.Trim(strings.TrimSuffix(strings.TrimPrefix(part, `\n`), `\n`), " \r\n")
	}
	return parts
}

// isTime reports whether a text is a date or a time, such as the value of a header that names an API's version. If
// someone stores one as a secret, each date in our texts would be redacted.
func isTime(text string) bool {
	if len(text) < len(time.DateOnly) || text[4] != '-' || text[7] != '-' {
		return false
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
