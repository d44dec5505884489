package token_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/token"
)

// FuzzTokenAnswer checks that no answer makes the minter panic, that an error has a bounded size and one line, and that
// a token from it can be sent and is known to the scrubber.
func FuzzTokenAnswer(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, body := range []string{
		`{"access_token":"abcdefgh","expires_in":3600}`, `{"error":"invalid_client","error_description":"` + canary + `"}`,
		`{"errorCode":"x","errorSummary":"y"}`,
		`{"access_token":"17|abcdefgh","token_type":"N_A"}`, `[1]`, "<html>", `{"error":{"message":"a\nb","code":5}}`,
		`{"access_token":"\ud800abcdefgh"}`,
	} {
		for _, status := range []int{200, 400, 503} {
			f.Add(status, body, "/token")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body, pointer string) {
		if status < 200 || status > 599 || !utf8.ValidString(pointer) {
			return
		}
		login, err := json.Marshal(map[string]any{"call": "POST https://example.com/", "token": pointer})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{`{"oauth2":` + object(t, clientCredentials(), nil) + `}`, `{"login":` +
			string(login) + `,"hosts":["example.com"]}`} {
			scrub := &redact.Scrubber{}
			d, err := token.ParseSecret(secret, scrub)
			if err != nil {
				continue
			}
			answers := roundTripper(func(r *http.Request) (*http.Response, error) { return respond(r, status, body), nil })
			m := token.NewMinter(answers, hosts.List{}, time.Now, scrub)
			m.SleepWith((&noWait{}).sleep)
			got, err := m.Mint(t.Context(), token.Version{Document: d, Secret: "s", ID: "v"}, redact.Secret{})
			if err != nil {
				if text := err.Error(); len(text) > 1024 || strings.ContainsAny(text, "\n\r\x00") {
					t.Errorf("%d %q: error of %d bytes: %q", status, body, len(text), text)
				}
				continue
			}
			value := got.Token.Reveal()
			if status > 299 || len(value) < 8 || len(value) > 8192 || strings.ContainsFunc(value, func(r rune) bool {
				return r <= ' ' || r > '~'
			}) {
				t.Errorf("%d %q gave %q", status, body, value)
			}
			if out := scrub.Scrub("x " + value); strings.Contains(out, value) {
				t.Errorf("%q is not scrubbed", value)
			}
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status), Header: http.Header{"Content-Type": {"application/json"}},
		Request: r,
		Body:    io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}
