package rotation_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/rotation"
	"github.com/cronbearer/cronbearer/internal/token"
)

// lost is a token that must come out nowhere.
const lost = "canary-Zk3vQ0p8WnXr5TsbLq2e"

// FuzzEvent holds that an event is read as encoding/json reads it or rejected for a named reason; that what Secrets
// Manager can send is accepted, whatever else is in it; and that an error is short and shows nothing of the event.
func FuzzEvent(fuzz *testing.F) {
	f := mutate.New(fuzz)
	const version = "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"
	for _, step := range []string{"createSecret", "set_secret", "testSecret", "finish_secret", "rotate"} {
		f.Add(event(rotation.Step(step), version), step, secretARN, "key", version)
	}
	f.Add(`{"Step":"createSecret","SecretId":null,"ClientRequestToken":5,"RotationToken":"`+lost+`"}`, "", "", "Step", "")
	f.Fuzz(func(t *testing.T, text, step, id, key, value string) {
		readEvent(t, text)
		made := map[string]any{key: value, "Step": step, "SecretId": id, "ClientRequestToken": value, "RotationToken": key}
		whole, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		known := slices.Contains([]string{
			"createSecret", "create_secret", "setSecret", "set_secret", "testSecret", "test_secret", "finishSecret",
			"finish_secret",
		}, step)
		valid := known && id != "" && value != "" && len(strings.ToValidUTF8(id, "\ufffd")) <= 2048 && len(value) <= 64
		if got := readEvent(t, string(whole)); got != valid && utf8.ValidString(step+id+key+value) {
			t.Errorf("%s is accepted: %t", whole, got)
		}
	})
}

// readEvent reports whether an event is accepted.
func readEvent(t *testing.T, text string) bool {
	t.Helper()
	e, err := rotation.ParseEvent([]byte(text))
	if err != nil {
		said := err.Error()
		if refused, ok := errors.AsType[*rotation.RotationRefusedError](err); !ok || refused == nil {
			t.Errorf("%q: %T", text, err)
		}
		if len(said) > 500 || strings.ContainsAny(said, "\n\r") || strings.Contains(said, lost) {
			t.Errorf("%q: %q", text, said)
		}
		return false
	}
	var want struct{ Step, SecretId, ClientRequestToken, RotationToken string }
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Errorf("%q is accepted, but %v", text, err)
	}
	got := []string{e.SecretID, e.Version}
	if !slices.Equal(got, []string{want.SecretId, want.ClientRequestToken}) && !hasOtherCase(text) {
		t.Errorf("%q is read as %q", text, got)
	}
	return true
}

// hasOtherCase: encoding/json reads "step" for Step too.
func hasOtherCase(text string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil {
		return true
	}
	for name := range object {
		for _, known := range []string{"Step", "SecretId", "ClientRequestToken", "RotationToken"} {
			if name != known && strings.EqualFold(name, known) {
				return true
			}
		}
	}
	return false
}

// FuzzRenewal holds that whatever a provider answers, to a "new token" call or to a refresh, a token that is taken from
// it can be sent and is known to the scrubber; that a new refresh token in a 2xx answer is never lost, even with an
// error; that the secret which is stored is the one before but for token, expires_at and refresh_token, and is read
// with these; and that an error is short and, scrubbed, shows no token.
func FuzzRenewal(fuzz *testing.F) {
	f := mutate.New(fuzz)
	for _, body := range []string{
		`{"data":{"token":"` + lost + `","ends":"2027-01-31"}}`, `{"data":{"token":12345678901,"ends":1801353600}}`,
		`{"data":{"token":"Bearer ` + lost + `"}}`, `{"data":["` + lost + `"],"token":null}`, `{"data":{"token":"a b"}}`,
		`{"access_token":"` + lost + `","refresh_token":"` + lost + `-2","expires_in":3600,"token_type":"Bearer"}`,
		`{"access_token":["` + lost + `"],"refresh_token":12345678.0,"token_type":"mac"}`, `refresh_token=` + lost,
		`{"error":"invalid_grant","error_description":"` + lost + `","refresh_token":"` + lost + `"}`,
		`{"a":{"refresh_token":"` + lost + `"`, "<html>", `{"errors":[{"message":"no\u2028"}]}`, "\ufeff{}",
	} {
		for _, status := range []int{200, 401, 503} {
			f.Add(status, body, "/data/token", "2027-01-31T00:00:00Z")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body, pointer, expiry string) {
		if status < 200 || status > 599 || !utf8.ValidString(pointer+expiry) {
			return
		}
		for _, secret := range []map[string]any{
			{"rotate": map[string]any{
				"call": "POST https://id.example.com/rotate", "token": pointer, "expires_at": "/data/ends",
				"expires_in": "/expires_in",
			}},
			{"oauth2": map[string]any{
				"grant": "refresh_token", "token_url": "https://id.example.com/token", "client_id": "client",
				"refresh_token": "the-refresh-token-before", "scope": pointer,
			}},
		} {
			secret["token"], secret["hosts"], secret["expires_at"] = "the-token-before", []string{"api.example.com"}, expiry
			text, err := json.Marshal(secret)
			if err != nil {
				t.Fatal(err)
			}
			renewal(t, string(text), status, body)
		}
	})
}

func renewal(t *testing.T, secret string, status int, body string) {
	t.Helper()
	scrub := &redact.Scrubber{}
	d, err := token.ParseSecret(secret, scrub)
	if err != nil {
		return
	}
	granted, err := rotation.Ask(t.Context(), oauth.NewClient(answering{status, body}, time.Now, scrub), d, scrub)
	want := refreshTokenOf(body)
	if d.OAuth2 != nil && status <= 299 && want != "" && granted.RefreshToken.Reveal() != want {
		t.Errorf("%d %q: the refresh token is %q", status, body, granted.RefreshToken.Reveal())
	}
	if err != nil {
		said := scrub.Clean(err.Error(), redact.MaxError)
		if len(said) > 1024 || strings.ContainsAny(said, "\n\r\x00") || status <= 299 && strings.Contains(said, lost) {
			t.Errorf("%d %q: %q", status, body, said)
		}
		return
	}
	value := granted.Token.Reveal()
	if normal, err := bearer.Normalize(value); d.Rotate != nil && (err != nil || normal != value) || status > 299 ||
		bearer.Check(value) != nil || strings.Contains(scrub.Scrub("x "+value), value) {
		t.Errorf("%d %q: the token is %q", status, body, value)
	}
	if granted.RefreshToken.IsZero() && d.OAuth2 != nil {
		granted.RefreshToken = d.OAuth2.RefreshToken
	}
	after := rotation.RenewedDocument(d, granted).Reveal()
	read, err := token.ParseSecret(after, &redact.Scrubber{})
	if err != nil || read.Token.Reveal() != value ||
		d.OAuth2 != nil && read.OAuth2.RefreshToken.Reveal() != granted.RefreshToken.Reveal() ||
		!granted.Expiry.IsZero() && !read.Expiry.Equal(granted.Expiry.Truncate(time.Second)) {
		t.Errorf("%d %q: %s is stored, and read as %s, %v", status, body, after, read.Expiry, err)
	}
	if diff := cmp.Diff(others(t, secret), others(t, after)); diff != "" {
		t.Errorf("%d %q: what is stored: %s", status, body, diff)
	}
}

// answering is a provider.
type answering struct {
	status int
	body   string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: strconv.Itoa(a.status), Header: http.Header{"Content-Type": {"application/json"}},
		Request: r, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// refreshTokenOf is the one of an answer that encoding/json can read, if it can be used.
func refreshTokenOf(body string) string {
	var answer map[string]any
	doc, duplicates, err := jsondoc.Parse([]byte(body))
	if json.Unmarshal([]byte(body), &answer) != nil || err != nil || len(duplicates) > 0 || doc.Kind != jsondoc.Object {
		return ""
	}
	if text, ok := answer["refresh_token"].(string); ok && len(text) >= redact.MinSecret {
		return text
	}
	return ""
}

// others are the members of a secret that a renewal keeps, as text in their order.
func others(t *testing.T, secret string) []string {
	t.Helper()
	doc, _, err := jsondoc.Parse([]byte(secret))
	if err != nil {
		t.Fatalf("%s: %v", secret, err)
	}
	var list []string
	for _, m := range doc.Members {
		if m.Name == "token" || m.Name == "expires_at" {
			continue
		}
		m.Value.Members = slices.DeleteFunc(slices.Clone(m.Value.Members), func(m jsondoc.Member) bool {
			return m.Name == "refresh_token"
		})
		list = append(list, m.Name+": "+string(m.Value.AppendJSON(nil, nil)))
	}
	return list
}

// FuzzKeptAnswer holds that an answer which could not be stored as a new secret is kept as JSON of a size that Secrets
// Manager accepts, with its refresh token whole, and with as much of the rest as there is room for.
func FuzzKeptAnswer(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Add("version", `{"access_token":"`+lost+`"}`, lost, uint16(1))
	f.Add("version", "\xff\x00<é", lost, uint16(10_000))
	f.Fuzz(func(t *testing.T, from, answer, refreshToken string, times uint16) {
		if len(from) > 64 || len(refreshToken) > 8192 || len(answer)*int(times) > 100_000 ||
			!utf8.ValidString(from+refreshToken) {
			return
		}
		answer = strings.Repeat(answer, int(times))
		text := rotation.KeptText(from, answer, refreshToken)
		var kept map[string]string
		err := json.Unmarshal([]byte(text), &kept)
		whole := strings.ToValidUTF8(answer, "\ufffd")
		if err != nil || len(text) > 65536 || kept["refresh_token"] != refreshToken || kept["kept_for"] != from ||
			!strings.HasPrefix(whole, kept["answer"]) {
			t.Errorf("%d bytes of an answer, kept in %d: %v", len(answer), len(text), err)
		}
		if len(text) < 50_000 && kept["answer"] != whole {
			t.Errorf("%d bytes of %d are kept, and there was room", len(kept["answer"]), len(answer))
		}
	})
}
