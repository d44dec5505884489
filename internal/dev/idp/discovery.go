package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Discover reads an issuer's keys, as a server does that trusts one by its URL (OpenID Connect Discovery 1.0 section
// 4). get is a GET of an https:// URL.
func Discover(issuer string, get func(url string) ([]byte, error)) ([]Key, error) {
	var document struct {
		Issuer string
		JWKS   string `json:"jwks_uri"`
	}
	if err := fetch(get, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return nil, err
	}
	if document.Issuer != issuer { // section 4.3
		return nil, fmt.Errorf("the configuration is of issuer %q", document.Issuer)
	}
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, Crv, N, E, X, Y string }
	}
	if err := fetch(get, document.JWKS, &set); err != nil {
		return nil, err
	}
	var found []Key
	for _, k := range set.Keys {
		key := Key{ID: k.Kid, Algorithm: k.Alg}
		var err error
		switch {
		case k.Use != "" && k.Use != "sig":
			continue
		case k.Kty == "RSA":
			key.Public, err = rsaKey(k.N, k.E)
		case k.Kty == "EC" && k.Crv == "P-384":
			key.Public, err = ecKey(elliptic.P384(), k.X, k.Y)
		case k.Kty == "EC" && k.Crv == "P-256":
			key.Public, err = ecKey(elliptic.P256(), k.X, k.Y)
		default:
			continue // "Implementations SHOULD ignore JWKs […] that use kty values that are not understood": RFC 7517 section 5
		}
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.Kid, err)
		}
		found = append(found, key)
	}
	return found, nil
}

func fetch(get func(string) ([]byte, error), url string, document any) error {
	text, err := get(url)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	if err := json.Unmarshal(text, document); err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	return nil
}

func rsaKey(n, e string) (*rsa.PublicKey, error) {
	modulus, modulusErr := base64.RawURLEncoding.DecodeString(n)
	exponent, exponentErr := base64.RawURLEncoding.DecodeString(e)
	if err := errors.Join(modulusErr, exponentErr); err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}, nil
}

func ecKey(curve elliptic.Curve, x, y string) (*ecdsa.PublicKey, error) {
	first, firstErr := base64.RawURLEncoding.DecodeString(x)
	second, secondErr := base64.RawURLEncoding.DecodeString(y)
	if err := errors.Join(firstErr, secondErr); err != nil {
		return nil, err
	}
	const uncompressed = 4 // SEC 1 section 2.3.3
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{uncompressed}, first...), second...))
	if err != nil {
		return nil, fmt.Errorf("no point of the curve: %w", err)
	}
	return key, nil
}
