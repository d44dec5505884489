package pki

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Keys has private keys in all forms that a secret may hold, and the public keys that belong to the good ones.
type Keys struct {
	RSA, PKCS1, P256, SEC1, Ed25519           string
	RSA1024, P384, X25519, Garbage, Encrypted string
	CertificateRSA                            string // of RSA
	PublicRSA, PublicP256, PublicEd25519      crypto.PublicKey
}

// SigningKeys is one set for all tests of a process.
var SigningKeys = sync.OnceValue(func() Keys {
	var k Keys
	must := func(v any, err error) any {
		if err != nil {
			panic(err) //nolint:forbidigo // only a broken source of randomness can be the reason
		}
		return v
	}
	write := func(kind string, der any) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der.([]byte)}))
	}
	pkcs8 := func(key any) string { return write("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

	r := must(rsa.GenerateKey(rand.Reader, 2048)).(*rsa.PrivateKey)
	k.RSA, k.PKCS1, k.PublicRSA = pkcs8(r), write("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), &r.PublicKey
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	k.CertificateRSA = write("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, own, own, &r.PublicKey, r)))
	k.RSA1024 = write("RSA PRIVATE KEY", must(shortRSA()))
	e := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).(*ecdsa.PrivateKey)
	k.P256, k.SEC1, k.PublicP256 = pkcs8(e), write("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(e))), &e.PublicKey
	k.P384 = pkcs8(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(nil, err)
	k.Ed25519, k.PublicEd25519 = pkcs8(private), public
	k.X25519 = pkcs8(must(ecdh.X25519().GenerateKey(rand.Reader)))
	k.Garbage = write("PRIVATE KEY", []byte("no DER"))
	k.Encrypted = write("ENCRYPTED PRIVATE KEY", []byte{0x30, 0x03, 0x02, 0x01, 0x00})
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

// Certified is a P-256 key and its certificate, which expires at a time, both in PEM, and the certificate's bytes.
func Certified(expires time.Time) (key, certificate string, der []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, fmt.Errorf("key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: expires.Add(-time.Hour),
		NotAfter: expires,
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		return "", "", nil, fmt.Errorf("certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", nil, fmt.Errorf("key: %w", err)
	}
	write := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return write("PRIVATE KEY", pkcs8), write("CERTIFICATE", der), der, nil
}
