// Package pki makes the certificates of tests and simulators: an authority that is made each time and kept nowhere
// else, and certificates for the names of a server. They are valid from 1990 to 2100, as some tests run on a virtual
// clock.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"
)

var (
	from  = time.Date(1990, time.January, 1, 0, 0, 0, 0, time.UTC)
	until = time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// Authority signs certificates that only clients with its PEM trust. Safe for concurrent use.
type Authority struct {
	PEM []byte

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      atomic.Int64 // of the certificates so far
}

// New returns an Authority.
func New() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of the authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Cronbearer test authority"},
		NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	return &Authority{
		PEM:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		certificate: certificate, key: key,
	}, nil
}

// Pool is the authority as a client's roots.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// ServerConfig is for a server that is called localhost, or the names given.
func (a *Authority) ServerConfig(names ...string) (*tls.Config, error) {
	return a.config(until, names)
}

// ServerPEM is what ServerConfig has, for servers that are not Go programs.
func (a *Authority) ServerPEM(names ...string) (certificate, key []byte, err error) {
	config, err := a.ServerConfig(names...)
	if err != nil {
		return nil, nil, err
	}
	own := config.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("key of a server: %w", err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ExpiredConfig is for a server whose certificate is out of date.
func (a *Authority) ExpiredConfig(names ...string) (*tls.Config, error) {
	return a.config(time.Now().Add(-time.Minute), names)
}

func (a *Authority) config(until time.Time, names []string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of a server: %w", err)
	}
	addresses := []net.IP{}
	if len(names) == 0 {
		names, addresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.serial.Add(1)), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		IPAddresses: addresses,
		NotBefore:   from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("certificate of a server: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}
