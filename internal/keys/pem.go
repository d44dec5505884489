// Package keys reads the private keys and certificates of secrets, and signs JWTs with them. Users store PEM in many
// shapes, all of which are read; weak keys are rejected. It keeps nothing, verifies no chain, and no error quotes
// its input. golang-jwt signs, as every provider accepts its JWTs (docs/decisions/0006).
package keys

import (
	"encoding/base64"
	"encoding/pem"
	"strings"
)

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// readPEM reads PEM blocks (RFC 7468) as users store them: with line breaks, also of Windows, with \n in two
// characters, with spaces or nothing where line breaks were, and encoded in base64 as a whole. encoding/pem reads only
// the first.
func readPEM(text string) []pem.Block {
	var blocks []pem.Block
	if !strings.Contains(text, pemBegin) {
		if inner, ok := decodeBase64(text); ok && strings.Contains(string(inner), pemBegin) {
			text = string(inner)
		}
	}
	for {
		_, rest, found := strings.Cut(text, pemBegin)
		if !found {
			return blocks
		}
		label, rest, found := strings.Cut(rest, pemDash)
		if !found {
			return blocks
		}
		body, rest, found := strings.Cut(rest, pemEnd+label+pemDash)
		if !found {
			return blocks
		}
		text = rest
		if strings.Contains(body, "ENCRYPTED") { // the headers of RFC 1421 section 4.6
			blocks = append(blocks, pem.Block{Type: "ENCRYPTED " + label})
		} else if der, ok := decodeBase64(body); ok {
			blocks = append(blocks, pem.Block{Type: label, Bytes: der})
		}
	}
}

// lineBreaks are the remains of line breaks after an editor or a shell has changed them.
var lineBreaks = strings.NewReplacer(`\\n`, "", `\\r`, "", `\n`, "", `\r`, "", `\t`, "", "\\", "", `"`, "", "'", "")

// decodeBase64 ignores missing padding, and what quoting has left of line breaks. Any other character is an error.
func decodeBase64(text string) ([]byte, bool) {
	text = strings.Join(strings.Fields(lineBreaks.Replace(text)), "")
	der, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return der, err == nil && len(der) > 0
}

// Secrets returns the parts of a private key's text that are secret, in any shape: its content and not
// the words around it, which also appear in our own help.
func Secrets(text string) []string {
	var secrets []string
	for _, block := range readPEM(text) {
		secrets = append(secrets, base64.StdEncoding.EncodeToString(block.Bytes))
	}
	if !strings.Contains(text, pemBegin) {
		return append(secrets, text)
	}
	for part := range strings.SplitSeq(text, pemDash) {
		if part = strings.TrimSpace(part); !isLabel(part) {
			secrets = append(secrets, part)
		}
	}
	return secrets
}

func isLabel(part string) bool {
	return strings.HasPrefix(part, "BEGIN ") || strings.HasPrefix(part, "END ")
}
