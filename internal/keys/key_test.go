package keys_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/keys"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// Whatever an editor, a shell or a console has made of a key's line breaks, it is read, and its text is scrubbed.
func TestPEMInEveryShape(t *testing.T) {
	t.Parallel()
	k := pki.SigningKeys()
	for name, shape := range map[string]func(string) string{
		"as it is":            func(s string) string { return s },
		"\\n, two characters": func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) },
		"\\n and quotes":      func(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` },
		"\\\\n":               func(s string) string { return strings.ReplaceAll(s, "\n", `\\n`) },
		"\\r\\n":              func(s string) string { return strings.ReplaceAll(s, "\n", `\r\n`) },
		"CRLF":                func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"spaces":              func(s string) string { return strings.ReplaceAll(s, "\n", " ") },
		"nothing":             func(s string) string { return strings.ReplaceAll(s, "\n", "") },
		"white space around":  func(s string) string { return "\n\t " + s + " \n" },
		"parameters first": func(s string) string {
			return "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + s
		},
		"base64 as a whole": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"bare base64": func(s string) string {
			lines := strings.Split(strings.TrimSpace(s), "\n")
			return strings.Join(lines[1:len(lines)-1], "\n")
		},
	} {
		for algorithm, key := range map[string]string{"RS256": k.RSA, "PS256": k.PKCS1, "ES256": k.SEC1, "EdDSA": k.Ed25519} {
			if _, err := keys.Parse(shape(key), "", algorithm); err != nil {
				t.Errorf("%s, %s: %s", name, algorithm, err)
			}
			scrub := &redact.Scrubber{}
			scrub.Add(keys.Secrets(shape(key))...)
			for _, written := range []string{key, shape(key), url.QueryEscape(shape(key))} {
				if got := scrub.Scrub(written); strings.Contains(got, strings.Split(key, "\n")[1][:24]) {
					t.Errorf("%s, %s: the key is not scrubbed", name, algorithm)
				}
			}
			const help = "private_key is not a PEM block (BEGIN … PRIVATE KEY and END … PRIVATE KEY between dashes; " +
				"-----BEGIN PRIVATE KEY-----"
			if got := scrub.Scrub(help); got != help {
				t.Errorf("%s: our own words are scrubbed: %s", name, got)
			}
		}
	}
}

func TestKeysSignWithTheirAlgorithm(t *testing.T) {
	t.Parallel()
	k := pki.SigningKeys()
	for algorithm, tt := range map[string]struct {
		key    string
		public crypto.PublicKey
	}{
		"": {key: k.RSA, public: k.PublicRSA}, "RS256": {key: k.PKCS1, public: k.PublicRSA},
		"PS256": {key: k.RSA, public: k.PublicRSA}, "ES256": {key: k.P256, public: k.PublicP256},
		"EdDSA": {key: k.Ed25519, public: k.PublicEd25519},
	} {
		key, err := keys.Parse(tt.key, "k1", algorithm)
		if err != nil {
			t.Errorf("%s: %s", algorithm, err)
			continue
		}
		signed, err := key.Sign(jwt.MapClaims{"sub": "s"})
		if err != nil {
			t.Errorf("%s: %s", algorithm, err)
			continue
		}
		parsed, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return tt.public, nil },
			jwt.WithValidMethods([]string{string(key.Algorithm)}))
		if err != nil || parsed.Header["kid"] != "k1" || parsed.Header["x5t#S256"] != nil {
			t.Errorf("%s: header %v, %v", algorithm, parsed.Header, err)
		}
	}
}

// What cannot sign safely is named, and no error quotes the key.
func TestUnusableKeysAreNamed(t *testing.T) {
	t.Parallel()
	k := pki.SigningKeys()
	for name, tt := range map[string]struct{ key, algorithm, want string }{
		"no PEM":    {key: "canary-3f9a7c51e2d84b60", want: "is not a PEM block"},
		"garbage":   {key: k.Garbage, want: "private_key cannot be read: it must be"},
		"encrypted": {key: k.Encrypted, want: "without a passphrase"},
		"only a certificate": {
			key: strings.ReplaceAll(k.RSA, "PRIVATE KEY", "CERTIFICATE"), want: "none of a private key",
		},
		"RSA of 1024 bits":        {key: k.RSA1024, want: "less than 2048 bits"},
		"P-384":                   {key: k.P384, algorithm: "ES256", want: "another curve than P-256"},
		"X25519":                  {key: k.X25519, want: "must be an RSA, P-256 or Ed25519 key"},
		"RSA with ES256":          {key: k.RSA, algorithm: "ES256", want: "RS256 or PS256, as private_key is an RSA key"},
		"P-256 with no algorithm": {key: k.P256, want: "must be ES256, as private_key is an EC key"},
		"a shared secret's":       {key: k.RSA, algorithm: "HS256", want: "must be RS256 or PS256"},
		"none":                    {key: k.RSA, algorithm: "none", want: "must be RS256 or PS256"},
	} {
		_, err := keys.Parse(tt.key, "", tt.algorithm)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
			continue
		}
		for line := range strings.Lines(tt.key) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && strings.Contains(err.Error(), line) {
				t.Errorf("%s: the error quotes the key: %s", name, err)
			}
		}
	}
}

func TestCertificateIdentifiesItsKey(t *testing.T) {
	t.Parallel()
	expires := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	text, certificate, der, err := pki.Certified(expires)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _, err := pki.Certified(expires)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.Parse(text, "", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ certificate, want string }{
		"of another key": {certificate: other, want: "is not the certificate of private_key"},
		"no certificate": {certificate: text, want: "holds no certificate"},
		"no PEM":         {certificate: "canary-3f9a7c51e2d84b60", want: "holds no certificate"},
		"garbage": {
			certificate: strings.ReplaceAll(pki.SigningKeys().Garbage, "PRIVATE KEY", "CERTIFICATE"), want: "holds a PEM block",
		},
	} {
		err := key.Certify(tt.certificate)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !key.Expires.IsZero() {
			t.Errorf("%s: %v, expires %s", name, err, key.Expires)
		}
	}
	if err := key.Certify(other + certificate); err != nil || !key.Expires.Equal(expires) { // a chain
		t.Errorf("expires %s, want %s; %v", key.Expires, expires, err)
	}
	signed, err := key.Sign(jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(signed, jwt.MapClaims{})
	sum := sha256.Sum256(der)
	if err != nil || parsed.Header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("header %v, %v", parsed.Header, err)
	}
}
