package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

var now = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func call(
	ctx context.Context, t *testing.T, client *http.Client, url, token string,
) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("sent"))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// TestAnswers serves each kind of answer over TLS, on both versions of HTTP.
func TestAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		token   string
		prepare func(*upstream.Server)
		status  int
		body    string
		broken  bool
	}{
		"a good token": {token: "good", prepare: nil, status: 200, body: `{"ok":true}`, broken: false},
		"a bad token":  {token: "bad", prepare: nil, status: 401, body: `{"error":"invalid_token"}`, broken: false},
		"no token":     {token: "", prepare: nil, status: 401, body: `{"error":"invalid_token"}`, broken: false},
		"not good yet": {token: "later", prepare: func(s *upstream.Server) {
			s.AcceptBetween("later", now.Add(time.Second), time.Time{})
		}, status: 401, body: `{"error":"invalid_token"}`, broken: false},
		"good until now": {token: "over", prepare: func(s *upstream.Server) {
			s.AcceptBetween("over", time.Time{}, now)
		}, status: 401, body: `{"error":"invalid_token"}`, broken: false},
		"good now": {token: "now", prepare: func(s *upstream.Server) {
			s.AcceptBetween("now", now, now.Add(time.Second))
		}, status: 200, body: `{"ok":true}`, broken: false},
		"revoked": {token: "good", prepare: func(s *upstream.Server) {
			s.Revoke("good")
		}, status: 401, body: `{"error":"invalid_token"}`, broken: false},
		"another answer": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.Broken)
		}, status: 500, body: "something went wrong", broken: false},
		"the next, any token": {token: "bad", prepare: func(s *upstream.Server) {
			s.Next(upstream.Answer{Status: 204})
		}, status: 204, body: "", broken: false},
		"zipped": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.Answer{Body: "zipped", Gzip: true})
		}, status: 200, body: "zipped", broken: false},
		"large": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.Answer{Size: 5})
		}, status: 200, body: "xxxxx", broken: false},
		"slow": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.Answer{Body: "b", Delay: 1, BodyDelay: 1})
		}, status: 200, body: "b", broken: false},
		"hung up": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.HungUp)
		}, status: 0, body: "", broken: true},
		"cut in the body": {token: "good", prepare: func(s *upstream.Server) {
			s.Answer(upstream.Answer{Body: "0123456789", Cut: true, CutAfter: 3})
		}, status: 200, body: "012", broken: true},
		"a rule goes before it": {token: "good", prepare: func(s *upstream.Server) {
			s.Rule(func(r upstream.Request) (upstream.Answer, bool) { return upstream.Unavailable, r.Path == "/path" })
		}, status: 503, body: "", broken: false},
	}
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				s := upstream.New(func() time.Time { return now })
				s.Accept("good")
				if c.prepare != nil {
					c.prepare(s)
				}
				client, url := serve(t, authority, s, version)
				status, body, err := call(t.Context(), t, client, url+"/path?q=1", c.token)
				if status != c.status || body != c.body || (err != nil) != c.broken {
					t.Errorf("got %d %q, %v", status, body, err)
				}
				requests := s.Requests()
				if len(requests) == 0 {
					t.Fatal("nothing was kept")
				}
				if r := requests[0]; r.Token != c.token || r.Path != "/path" || r.Query != "q=1" || string(r.Body) != "sent" ||
					r.Method != http.MethodPost || r.Version != version {
					t.Errorf("kept: %+v", r)
				}
			})
		}
	}
}

func serve(t *testing.T, authority *pki.Authority, s *upstream.Server, version string) (*http.Client, string) {
	t.Helper()
	web := httptest.NewUnstartedServer(s)
	web.EnableHTTP2 = true
	config, err := authority.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	web.TLS = config
	web.StartTLS()
	t.Cleanup(web.Close)
	transport := &http.Transport{ForceAttemptHTTP2: true}
	transport.TLSClientConfig = web.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.RootCAs = authority.Pool()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(version == "HTTP/1.1")
	transport.Protocols.SetHTTP2(version == "HTTP/2.0")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, web.URL
}

// TestHang: a server that never answers lets go when the client hangs up.
func TestHang(t *testing.T) {
	t.Parallel()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	s := upstream.New(nil)
	s.Next(upstream.Answer{Hang: true})
	client, url := serve(t, authority, s, "HTTP/1.1")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := call(ctx, t, client, url, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestCertificates: an expired one, and one for another name, are believed by no one.
func TestCertificates(t *testing.T) {
	t.Parallel()
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() (*tls.Config, error){
		"expired":      func() (*tls.Config, error) { return authority.ExpiredConfig() },
		"another name": func() (*tls.Config, error) { return authority.ServerConfig("other.example.com") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := make()
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewUnstartedServer(upstream.New(nil))
			web.TLS = config
			web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			web.StartTLS()
			t.Cleanup(web.Close)
			client := &http.Client{
				Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool()}},
			}
			if status, _, err := call(t.Context(), t, client, web.URL, ""); err == nil {
				t.Errorf("it was believed: %d", status)
			}
		})
	}
}
