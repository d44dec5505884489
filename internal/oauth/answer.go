package oauth

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/bearer"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/redact"
	"github.com/cronbearer/cronbearer/internal/retry"
)

// maxAnswer is far above any real answer, which has a few kilobytes, and far below the memory of the smallest function.
const maxAnswer = 1 << 20

// Granted is what a provider returned.
type Granted struct {
	Token        redact.Secret
	RefreshToken redact.Secret // zero: the one that was sent stays in use
	Expiry       time.Time     // zero: unknown
	Asked        time.Time     // when the request was made, by the same clock
	Warning      string        // why an expiry in the answer could not be read; empty: it was read, or there is none
	// Raw is the whole body, set even with an error: a one-time refresh token may be in it.
	Raw redact.Secret
}

// Life is how long the token lives. 0: unknown.
func (g Granted) Life() time.Duration {
	if g.Expiry.IsZero() {
		return 0
	}
	return g.Expiry.Sub(g.Asked)
}

// answer is a provider's answer to a token call. Its document is read in place: a tree of 1 MiB of
// small values needs 93 MiB.
type answer struct {
	status int
	header http.Header
	limit  retry.Limit
	points *url.URL // where a redirect points; nil: there is none
	body   string
	doc    jsondoc.Document
	unread string // why the body could not be read; empty: it was
	cutOff bool   // unread, and a retry may read it
}

// readAnswer never fails: what was received until an error may contain the only copy of a refresh token.
func readAnswer(response *http.Response) *answer {
	a := &answer{status: response.StatusCode, header: response.Header}
	a.points, _ = response.Location()
	a.limit = retry.ReadLimit(response, time.Now())
	var text bytes.Buffer // it doubles, where io.ReadAll adds a quarter and leaves five times the body behind
	_, err := text.ReadFrom(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		a.unread, a.cutOff = "its body was cut off", true
	case text.Len() > maxAnswer:
		a.unread = "its body is larger than 1 MiB"
	default:
		a.doc, _ = jsondoc.Check(bytes.TrimPrefix(text.Bytes(), []byte("\ufeff")))
	}
	a.body = string(text.Bytes()[:min(text.Len(), maxAnswer)]) // what was received: a new refresh token may be in it
	return a
}

func (a *answer) get(names ...string) jsondoc.Value { return a.doc.Lookup(jsondoc.Key(names...)) }

// successful accepts any 2xx: some token endpoints answer 201 (LinkedIn's), though RFC 6749 section 5.1 says 200.
func (a *answer) successful() bool { return 200 <= a.status && a.status <= 299 }

// granted reads an OAuth answer with an access_token (RFC 6749 section 5.1). problem says why it cannot be used; even
// then it may hold a new refresh token. token_type may be missing, as several large providers omit it or use their own
// names; the types that a Bearer header cannot carry are listed (RFC 9449, RFC 8693 section 2.2.1).
func (a *answer) granted(asked time.Time, refreshes bool, scrub *redact.Scrubber) (g Granted, problem string) {
	g.Raw, g.Asked = redact.New(a.body), asked
	if refreshes {
		if g.RefreshToken, problem = refreshTokenOf(a.get("refresh_token"), scrub); problem != "" {
			return g, problem
		}
	}
	tokenType, accessToken := a.get("token_type"), a.get("access_token")
	if slices.ContainsFunc([]string{"mac", "dpop", "n_a", "pop"}, func(other string) bool {
		return strings.EqualFold(tokenType.Text, other)
	}) {
		return g, "its token_type is " + strings.ToLower(tokenType.Text) + ", which a Bearer header cannot carry"
	}
	if err := bearer.Check(accessToken.Text); err != nil {
		return g, "its access_token cannot be used: " + err.Error()
	}
	g.Token, g.Expiry = scrub.Keep(accessToken.Text), bearer.ExpiresIn(a.get("expires_in"), asked)
	return g, ""
}

// refreshTokenOf accepts a number as it is written: a server that numbers its refresh tokens expects it unchanged. A
// missing or empty one means that the old one stays valid (RFC 6749 section 6).
func refreshTokenOf(v jsondoc.Value, scrub *redact.Scrubber) (t redact.Secret, problem string) {
	switch {
	case v.Kind == jsondoc.Absent, v.Kind == jsondoc.Null, v.Kind == jsondoc.String && v.Text == "":
		return redact.Secret{}, ""
	case v.Kind != jsondoc.String && v.Kind != jsondoc.Number:
		return redact.Secret{}, "its refresh_token is " + v.Kind.String()
	case len(v.Text) < redact.MinSecret:
		return redact.Secret{}, fmt.Sprintf("its refresh_token is shorter than %d bytes", redact.MinSecret)
	default:
		return scrub.Keep(v.Text), ""
	}
}

// codes are the places where providers put an error's code, and details those of its text. Seen in: RFC 6749
// section 5.2 and most servers; Okta; Google; HubSpot; Anthropic and OpenAI.
var (
	codes = []jsondoc.Pointer{
		jsondoc.Key("error"), jsondoc.Key("errorCode"), jsondoc.Key("error_code"), jsondoc.Key("error", "code"),
		jsondoc.Key("error", "type"), jsondoc.Key("error", "status"), jsondoc.Key("code"), jsondoc.Key("status"),
	}
	details = []jsondoc.Pointer{
		jsondoc.Key("error_description"), jsondoc.Key("errorSummary"), jsondoc.Key("error", "message"),
		jsondoc.Key("message"),
		jsondoc.Key("reason"), jsondoc.Key("detail"), jsondoc.Key("title"), jsondoc.Key("errors", "0", "message"),
		jsondoc.Key("errors", "0"),
	}
)

// code returns the first code that is known, or else the first one present. The first known one decides, as some
// providers put a status of their own where others put the code.
func (a *answer) code(known func(string) bool) string {
	first := ""
	for _, place := range codes {
		v := a.doc.Lookup(place)
		if v.Kind != jsondoc.String || v.Text == "" {
			continue
		}
		code := strings.ToLower(strings.TrimSpace(v.Text))
		if known(code) {
			return code
		}
		if first == "" {
			first = code
		}
	}
	return first
}

// words quotes the provider's message about a failure, whatever key holds it, after a comma. Secrets that it echoes are
// scrubbed where the text leaves the process. HTML is left out: the page of a proxy or a sign-in says nothing about the
// request.
func (a *answer) words() string {
	var said []string
	for _, place := range slices.Concat(codes, details) {
		v := a.doc.Lookup(place)
		if v.Kind != jsondoc.String && v.Kind != jsondoc.Number || v.Text == strconv.Itoa(a.status) {
			continue
		}
		if text := redact.Quote(v.Text); text != "" && !redact.IsMarkup(v.Text) && !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	if mediaType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); len(said) == 0 && !a.successful() &&
		mediaType == "text/plain" && !redact.IsMarkup(a.body) {
		said = append(said, redact.Quote(a.body))
	}
	if text := redact.Quote(strings.Join(said, ": ")); text != "" {
		return ", " + text
	}
	return ""
}

// redirected reports where a 3xx points, without its query, which may hold credentials.
func (a *answer) redirected() string {
	if a.status < 300 || a.status > 399 {
		return ""
	}
	if a.points == nil {
		return ": redirects are not followed"
	}
	to := url.URL{Scheme: a.points.Scheme, Host: a.points.Host, Path: a.points.Path}
	return ": redirects are not followed, and it points to " + redact.Quote(to.String())
}
