package sts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Paths below the issuer (OpenID Connect Discovery 1.0 section 4; the IAM API Reference names both).
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/.well-known/jwks.json"
)

const (
	rsaID, ecID = "RSA_0", "EC384_0"
	rsaBits     = 2048
)

// keys are made at their first use: RSA takes its time.
type keys struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newKeys() (keys, error) {
	var k keys
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, rsaBits); err != nil {
		return k, fmt.Errorf("make an RSA key: %w", err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return k, fmt.Errorf("make an EC key: %w", err)
	}
	return k, nil
}

// sign makes the claims that IAM's User Guide lists for a Lambda function ("Understanding token claims").
func (s *Server) sign(issuer string, c Call, expires time.Time) (string, error) {
	k, err := s.keys()
	if err != nil {
		return "", err
	}
	var audience any = c.Audiences
	if len(c.Audiences) == 1 {
		audience = c.Audiences[0]
	}
	principal := ""
	if s.Principal != nil {
		principal = s.Principal(c.AccessKey)
	}
	s.mu.Lock()
	s.signed++
	id := fmt.Sprintf("%08d-%s", s.signed, rand.Text())
	s.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": principal, "jti": id, "iat": c.At.Unix(), "exp": expires.Unix(),
		"https://sts.amazonaws.com/": map[string]any{
			"aws_account": s.config.AccountID, "source_region": s.config.Region, "principal_id": principal,
		},
	})
	var key any = k.rsa
	token.Header["kid"] = rsaID
	if c.Algorithm == "ES384" {
		token.Method, token.Header["alg"], token.Header["kid"], key = jwt.SigningMethodES384, "ES384", ecID, k.ec
	}
	signed, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}

// Discovery is what the issuer's host publishes to everyone.
func (s *Server) Discovery() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DiscoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		issuer := s.Issuer()
		publish(w, issuer != "", map[string]any{
			"issuer": issuer, "jwks_uri": issuer + KeysPath, "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256", "ES384"},
			"claims_supported": []string{"sub", "aud", "exp", "iat", "iss", "jti", "https://sts.amazonaws.com/"},
		})
	})
	mux.HandleFunc("GET "+KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		set, err := s.JWKS()
		publish(w, err == nil && s.Issuer() != "", set)
	})
	return mux
}

func publish(w http.ResponseWriter, there bool, document any) {
	if !there {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document) // who hung up needs no answer
}

// JWKS are the public keys (RFC 7517 section 5, RFC 7518 section 6).
func (s *Server) JWKS() (map[string]any, error) {
	k, err := s.keys()
	if err != nil {
		return nil, err
	}
	point, err := k.ec.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode an EC key: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString
	half := len(point) / 2 //nolint:mnd // SEC 1 section 2.3.3: 4, x, y
	return map[string]any{"keys": []any{
		map[string]any{
			"kid": rsaID, "kty": "RSA", "alg": "RS256", "use": "sig", "n": text(k.rsa.N.Bytes()),
			"e": text(big.NewInt(int64(k.rsa.E)).Bytes()),
		},
		map[string]any{"kid": ecID, "kty": "EC", "alg": "ES384", "use": "sig", "crv": "P-384", "x": text(point[1 : 1+
			half]), "y": text(point[1+half:])},
	}}, nil
}
