package rotation_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/rotation"
	"github.com/cronbearer/cronbearer/internal/token"
)

// The calls of a renewal trust the secret's own certificates, and only where the secret has them.
func TestRenewalTrustsTheCAOfTheSecret(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"minted-0000","token":"minted-0000"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	transport := server.Client().Transport.(*http.Transport).Clone() //nolint:forcetypeassert // httptest documents it
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	client := oauth.NewClient(transport, time.Now, &redact.Scrubber{})
	for kind, secret := range map[string]map[string]any{
		"oauth2": {"token": "abcdefgh", "oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://example.com/token", "client_id": "client",
			"client_secret": "client-secret", "refresh_token": "refresh-0000",
		}},
		"rotate": {"token": "abcdefgh", "rotate": map[string]any{"call": "POST https://example.com/", "token": "/token"}},
	} {
		for _, trusted := range []bool{false, true} {
			if trusted {
				secret["ca"] = certificate
			}
			text, err := json.Marshal(secret)
			if err != nil {
				t.Fatal(err)
			}
			d, err := token.ParseSecret(string(text), &redact.Scrubber{})
			if err != nil {
				t.Fatal(err)
			}
			if err := rotation.Renew(t.Context(), client, d); (err == nil) != trusted {
				t.Errorf("%s, with ca: %t: %v", kind, trusted, err)
			}
		}
	}
}
