package egress_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/egress"
)

func server(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	s.EnableHTTP2 = false
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func reaches(t *testing.T, transport *http.Transport, url string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return err == nil
}

func identity(transport *http.Transport) *http.Transport { return transport }

func TestCAIsTrustedByItsOwnTransportOnly(t *testing.T) {
	t.Parallel()
	s := server(t)
	base := egress.NewTransport(x509.NewCertPool(), egress.Guard{AllowLoopback: true})
	trust := egress.NewTrust(base, identity)
	ca := egress.NewCA([]*x509.Certificate{s.Certificate()})
	own := trust.For(ca)
	if !reaches(t, own, s.URL) {
		t.Error("the certificate is not trusted")
	}
	if reaches(t, trust.For(nil), s.URL) || reaches(t, base, s.URL) {
		t.Error("the certificate is trusted by calls of other secrets")
	}
	if own.TLSClientConfig.ClientSessionCache == base.TLSClientConfig.ClientSessionCache {
		t.Error("TLS sessions are shared: a resumed one is not verified again")
	}
	if trust.For(egress.NewCA([]*x509.Certificate{s.Certificate()})) != own {
		t.Error("the same certificates have two transports")
	}
	if trust.For(egress.NewCA(nil)) == own {
		t.Error("other certificates have the same transport")
	}
}

func TestCAKeepsTheGuard(t *testing.T) {
	t.Parallel()
	s := server(t)
	trust := egress.NewTrust(egress.NewTransport(nil, egress.Guard{}), identity)
	if reaches(t, trust.For(egress.NewCA([]*x509.Certificate{s.Certificate()})), s.URL) {
		t.Error("the guard lets loopback in")
	}
}

func TestTransportsOfCAsAreBounded(t *testing.T) {
	t.Parallel()
	trust := egress.NewTrust(egress.NewTransport(nil, egress.Guard{}), identity)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { trust.For(egress.NewCA([]*x509.Certificate{{Raw: fmt.Append(nil, i)}})) })
	}
	wg.Wait()
	if kept := trust.Kept(); kept == 0 || kept > 64 {
		t.Errorf("%d transports are kept", kept)
	}
}
