package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Key signs assertions.
type Key struct {
	ID         string // the JOSE header's kid; empty: none
	Algorithm  Algorithm
	thumbprint string    // of the certificate, the JOSE header's x5t#S256 (RFC 7515 section 4.1.8); empty: none
	Expires    time.Time // of its certificate; zero: unknown
	signer     crypto.Signer
}

// Algorithm is a JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
type Algorithm string

// The algorithms that an assertion may be signed with: those that the providers of docs/providers accept. HS256 is not
// among them, as its key is a shared secret and not PEM; "none" proves nothing (RFC 8725 section 3.2).
const (
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
)

// method has RS256 as its default, which stands for no other algorithm: Parse has checked it.
func (a Algorithm) method() jwt.SigningMethod {
	switch a {
	case PS256:
		return jwt.SigningMethodPS256
	case ES256:
		return jwt.SigningMethodES256
	case EdDSA:
		return jwt.SigningMethodEdDSA
	default:
		return jwt.SigningMethodRS256
	}
}

// Sign signs claims as a JWT in compact form. The header's kid and x5t#S256 tell the provider which public key it is
// (RFC 7515 sections 4.1.4 and 4.1.8). The library's error is not quoted, as it may contain the key.
func (k *Key) Sign(claims jwt.MapClaims) (string, error) {
	assertion := jwt.NewWithClaims(k.Algorithm.method(), claims)
	if k.ID != "" {
		assertion.Header["kid"] = k.ID
	}
	if k.thumbprint != "" {
		assertion.Header["x5t#S256"] = k.thumbprint
	}
	signed, err := assertion.SignedString(k.signer)
	if err != nil {
		return "", errors.New("the assertion could not be signed")
	}
	return signed, nil
}

const (
	minRSABits = 2048 // RFC 7518 section 3.3
	pemHelp    = "write its line breaks in JSON as \\n; jq --rawfile does that"
)

// Parse reads a PEM key: PKCS #8, PKCS #1 or SEC 1. Errors begin with the name of the secret's key that is wrong and
// never quote the private key. An algorithm that does not fit the key is found here, when the secret is read, and not
// when the first token is signed.
func Parse(text, id, algorithm string) (*Key, error) {
	key := &Key{ID: id, Algorithm: Algorithm(algorithm)}
	if algorithm == "" {
		key.Algorithm = RS256
	}
	parsed, err := privateKeyIn(text)
	if err != nil {
		return nil, err
	}
	var fits []Algorithm
	var kind string
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, errors.New("private_key is an RSA key of less than 2048 bits")
		}
		key.signer, kind, fits = k, "an RSA", []Algorithm{RS256, PS256}
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, errors.New("private_key is on another curve than P-256")
		}
		key.signer, kind, fits = k, "an EC", []Algorithm{ES256}
	case ed25519.PrivateKey:
		key.signer, kind, fits = k, "an Ed25519", []Algorithm{EdDSA}
	default:
		return nil, errors.New("private_key must be an RSA, P-256 or Ed25519 key")
	}
	if !slices.Contains(fits, key.Algorithm) {
		names := string(fits[0])
		if len(fits) > 1 {
			names += " or " + string(fits[1])
		}
		return nil, fmt.Errorf("algorithm must be %s, as private_key is %s key", names, kind)
	}
	return key, nil
}

// privateKeyIn finds the private key among the blocks of a PEM text: openssl writes EC parameters, and other tools the
// certificate, next to it.
func privateKeyIn(text string) (any, error) {
	blocks := readPEM(text)
	if len(blocks) == 0 {
		if der, ok := decodeBase64(text); ok {
			if key, err := parseDER(der); err == nil {
				return key, nil
			}
		}
		return nil, errors.New(
			"private_key is not a PEM block (BEGIN … PRIVATE KEY and END … PRIVATE KEY between dashes, base64 between " +
				"them): " + pemHelp,
		)
	}
	for _, block := range blocks {
		switch {
		case strings.HasPrefix(block.Type, "ENCRYPTED"):
			return nil, errors.New("private_key cannot be read: it is encrypted; store it without a passphrase (openssl pkey)")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parseDER(block.Bytes)
		}
	}
	return nil, errors.New("private_key cannot be read: it has PEM blocks, but none of a private key")
}

// parseDER tries the three forms in which OpenSSL and the providers' consoles write private keys: PKCS #8 (RFC 5958),
// PKCS #1 (RFC 8017 appendix A.1.2) and SEC 1 (RFC 5915). The PEM label is not trusted to name the form: tools that
// convert keys often keep the old one. The parsers' errors are dropped, as they may quote the key.
func parseDER(der []byte) (any, error) {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("private_key cannot be read: it must be an unencrypted PKCS #8, PKCS #1 or SEC 1 key")
}

// Certificates reads the certificates of a PEM text.
func Certificates(text string) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for i, block := range readPEM(text) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			// the error's own text may quote it
			return nil, fmt.Errorf("holds a PEM block, number %d, that is not a certificate", i+1)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("holds no certificate in PEM (BEGIN CERTIFICATE and END CERTIFICATE between dashes): " +
			pemHelp)
	}
	return certificates, nil
}

// Certify adds the key's certificate: the provider finds the public key by its thumbprint (Microsoft Entra ID
// does), and the key expires with it. No chain is verified and no expired certificate rejected: that is the provider's
// decision, and its answer is the better message.
func (k *Key) Certify(text string) error {
	certificates, err := Certificates(text)
	if err != nil {
		return err
	}
	for _, certificate := range certificates { // a chain may come with it
		public, ok := certificate.PublicKey.(interface {
			Equal(other crypto.PublicKey) bool
		})
		if !ok || !public.Equal(k.signer.Public()) {
			continue
		}
		sum := sha256.Sum256(certificate.Raw)
		k.thumbprint, k.Expires = base64.RawURLEncoding.EncodeToString(sum[:]), certificate.NotAfter.UTC()
		return nil
	}
	return errors.New("is not the certificate of private_key")
}
