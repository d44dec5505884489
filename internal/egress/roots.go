package egress

import (
	"crypto/x509"
	"fmt"
	"os"
)

// bundles are the files that crypto/x509 reads first (root_linux.go).
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// Roots loads the system's root certificates once, and adds PEM ones. After the bundle crypto/x509 parses every file in
// the certificate directories as well, which on Amazon Linux 2023 hold the same certificates one by one: more than half
// of a cold start at 128 MB (golang/go#79018). If there is a bundle and the user sets no directory, it is configured as
// if there were none.
func Roots(extra []byte) (*x509.CertPool, error) {
	const directory = "SSL_CERT_DIR"
	if _, set := os.LookupEnv(directory); !set && bundleExists() {
		if err := os.Setenv(directory, "/nonexistent"); err != nil {
			return nil, fmt.Errorf("set %s: %w", directory, err)
		}
		defer func() { _ = os.Unsetenv(directory) }()
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's root certificates: %w", err)
	}
	roots.AppendCertsFromPEM(extra)
	return roots, nil
}

func bundleExists() bool {
	for _, name := range bundles {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}
