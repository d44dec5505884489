package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// key is a key pair, made for one run: PEM for the secret, a JWK for the server.
type key struct {
	id, algorithm string
	pem           string
	certificates  []string // two, in PEM, of RS256 keys
	public        map[string]string
	private       map[string]string // RSA only: the server signs its tokens with it
}

func newKey(id, algorithm string) (key, error) {
	k := key{id: id, algorithm: algorithm, public: map[string]string{"kid": id, "alg": algorithm, "use": "sig"}}
	var signer crypto.Signer
	switch algorithm {
	case "ES256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return key{}, fmt.Errorf("make an EC key: %w", err)
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			return key{}, fmt.Errorf("encode an EC key: %w", err)
		}
		k.public["kty"], k.public["crv"] = "EC", "P-256"
		k.public["x"], k.public["y"] = base64URL(point[1:33]), base64URL(point[33:]) // SEC 1: 4, x, y
		signer = private
	case "EdDSA":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return key{}, fmt.Errorf("make an Ed25519 key: %w", err)
		}
		k.public["kty"], k.public["crv"], k.public["x"] = "OKP", "Ed25519", base64URL(public)
		signer = private
	default:
		const bits = 2048
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return key{}, fmt.Errorf("make an RSA key: %w", err)
		}
		k.public["kty"], k.public["n"], k.public["e"] = "RSA", integer(private.N), integer(big.NewInt(int64(private.E)))
		k.private = map[string]string{
			"kid": id, "kty": "RSA", "use": "sig", "n": integer(private.N), "e": integer(big.NewInt(int64(private.E))),
			"d": integer(private.D), "p": integer(private.Primes[0]), "q": integer(private.Primes[1]),
			"dp": integer(private.Precomputed.Dp), "dq": integer(private.Precomputed.Dq),
			"qi": integer(private.Precomputed.Qinv),
		}
		signer = private
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return key{}, fmt.Errorf("encode a key: %w", err)
	}
	k.pem = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if algorithm == "RS256" {
		k.certificates, err = selfSigned(signer)
	}
	return k, err
}

// selfSigned returns two certificates of one key, as before and after a renewal that keeps the key.
func selfSigned(signer crypto.Signer) ([]string, error) {
	var list []string
	for serial := range int64(2) {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial + 1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
		if err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
		list = append(list, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	return list, nil
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
func integer(n *big.Int) string { return base64URL(n.Bytes()) }
func publicOf(keys ...key) (set jwks) {
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public)
	}
	return set
}
