package egress_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/egress"
)

// rootsOf names the file of the roots that a process of its own is to find: crypto/x509 reads the system's once a
// process.
const rootsOf = "CRONBEARER_TEST_ROOTS"

func TestRootsInAProcessOfItsOwn(t *testing.T) {
	want := os.Getenv(rootsOf)
	if want == "" {
		t.Skip("for TestRootsComeFromTheBundle")
	}
	extra, err := os.ReadFile(os.Getenv(rootsOf + "_EXTRA"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	directory, set := os.LookupEnv("SSL_CERT_DIR")
	roots, err := egress.Roots(extra)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	expected := x509.NewCertPool()
	expected.AppendCertsFromPEM(text)
	if !roots.Equal(expected) {
		t.Error("other roots")
	}
	if after, setAfter := os.LookupEnv("SSL_CERT_DIR"); after != directory || setAfter != set {
		t.Errorf("SSL_CERT_DIR is %q afterwards", after)
	}
}

func TestRootsComeFromTheBundle(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		if _, err := os.Stat("/etc/pki/tls/certs/ca-bundle.crt"); err != nil {
			t.Skip("this machine has no bundle: all of its roots are read")
		}
	}
	first, second := root(t), root(t)
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bundle, directory := file("bundle.pem", first), filepath.Dir(file("directory/root.pem", second))
	both := file("both.pem", slices.Concat(first, second))
	cases := map[string]struct {
		environment []string
		want        string
	}{
		"the bundle, and no directory of the system's": {environment: []string{"SSL_CERT_FILE=" + bundle}, want: bundle},
		"a directory of the user's as well": {environment: []string{"SSL_CERT_FILE=" +
			bundle, "SSL_CERT_DIR=" + directory}, want: both},
		"roots of a test's as well": {environment: []string{"SSL_CERT_FILE=" + bundle, rootsOf +
			"_EXTRA=" + file("extra.pem", second)}, want: both},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRootsInAProcessOfItsOwn$")
			command.Env = append(c.environment, rootsOf+"="+c.want)
			if text, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func root(t *testing.T) []byte {
	t.Helper()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	return authority.PEM
}
