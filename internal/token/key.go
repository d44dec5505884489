package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// Key signs assertions.
type Key struct {
	ID        string // the JOSE header's kid; empty: none
	Algorithm Algorithm
	signer    crypto.Signer
}

// Algorithm is a JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
type Algorithm string

// The algorithms that an assertion may be signed with.
const (
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
)

const minRSABits = 2048 // RFC 7518 section 3.3

// parseKey reads a PEM key: PKCS #8, PKCS #1 or SEC 1. Errors begin with the name of the secret's key that is wrong
// and never quote the private key.
func parseKey(text, id, algorithm string) (*Key, error) {
	key := &Key{ID: id, Algorithm: Algorithm(algorithm)}
	if algorithm == "" {
		key.Algorithm = RS256
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("private_key is no PEM block (-----BEGIN PRIVATE KEY----- …); in JSON its line breaks are written \\n")
	}
	parsed, err := parseDER(block.Bytes)
	if err != nil {
		return nil, err
	}
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, errors.New("private_key is an RSA key of less than 2048 bits")
		}
		if key.Algorithm != RS256 && key.Algorithm != PS256 {
			return nil, errors.New("algorithm must be RS256 or PS256, as private_key is an RSA key")
		}
		key.signer = k
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, errors.New("private_key is on another curve than P-256")
		}
		if key.Algorithm != ES256 {
			return nil, errors.New("algorithm must be ES256, as private_key is an EC key")
		}
		key.signer = k
	case ed25519.PrivateKey:
		if key.Algorithm != EdDSA {
			return nil, errors.New("algorithm must be EdDSA, as private_key is an Ed25519 key")
		}
		key.signer = k
	default:
		return nil, errors.New("private_key must be an RSA, P-256 or Ed25519 key")
	}
	return key, nil
}

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
