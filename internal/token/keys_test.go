package token_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"sync"
)

// keySet has private keys in all forms that a secret may hold, and the public keys that belong to the good ones.
type keySet struct {
	rsa, pkcs1, p256, sec1, ed25519           string
	rsa1024, p384, x25519, garbage, encrypted string
	publicRSA, publicP256, publicEd25519      crypto.PublicKey
}

// keys makes one set for all tests.
var keys = sync.OnceValue(func() keySet {
	var k keySet
	must := func(v any, err error) any {
		if err != nil {
			panic(err)
		}
		return v
	}
	write := func(kind string, der any) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der.([]byte)}))
	}
	pkcs8 := func(key any) string { return write("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

	r := must(rsa.GenerateKey(rand.Reader, 2048)).(*rsa.PrivateKey)
	k.rsa, k.pkcs1, k.publicRSA = pkcs8(r), write("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), &r.PublicKey
	k.rsa1024 = write("RSA PRIVATE KEY", must(shortRSA()))
	e := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).(*ecdsa.PrivateKey)
	k.p256, k.sec1, k.publicP256 = pkcs8(e), write("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(e))), &e.PublicKey
	k.p384 = pkcs8(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(nil, err)
	k.ed25519, k.publicEd25519 = pkcs8(private), public
	k.x25519 = pkcs8(must(ecdh.X25519().GenerateKey(rand.Reader)))
	k.garbage = write("PRIVATE KEY", []byte("no DER"))
	k.encrypted = write("ENCRYPTED PRIVATE KEY", []byte{0x30, 0x03, 0x02, 0x01, 0x00})
	return k
})

// shortRSA makes a key of 1024 bits as RFC 8017 appendix A.1.2 writes it. crypto/rsa makes no such keys.
func shortRSA() ([]byte, error) {
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, err := rand.Prime(rand.Reader, 512)
		if err != nil {
			return nil, err
		}
		q, err := rand.Prime(rand.Reader, 512)
		if err != nil {
			return nil, err
		}
		p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		d := new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		return asn1.Marshal(struct {
			Version                     int
			N, E, D, P, Q, DP, DQ, QInv *big.Int
		}{
			Version: 0, N: new(big.Int).Mul(p, q), E: e, D: d, P: p, Q: q, DP: new(big.Int).Mod(d, p1),
			DQ: new(big.Int).Mod(d, q1), QInv: new(big.Int).ModInverse(q, p),
		})
	}
}
