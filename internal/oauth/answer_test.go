package oauth_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/tokenserver"
	"github.com/cronbearer/cronbearer/internal/oauth"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// failure is a token endpoint's error, with something in it that must stay in no text.
func failure(code string) string {
	return `{"error":"` + code + `","error_description":"why ` + canary + `"}`
}

func TestAny2xxWithAnAccessTokenIsAGrant(t *testing.T) {
	t.Parallel()
	tests := map[string]answer{
		"200": {
			Status: 200, Body: `{"access_token":"abcdefgh","token_type":"Bearer","expires_in":3600}`,
		},
		"201": {
			Status: 201, Body: `{"access_token":"abcdefgh","token_type":"Bearer","expires_in":3600}`,
		},
		"202, 203 and the rest":           {Status: 299, Body: `{"access_token":"abcdefgh"}`},
		"no token_type":                   {Status: 200, Body: `{"access_token":"abcdefgh"}`},
		"token_type null":                 {Status: 200, Body: `{"access_token":"abcdefgh","token_type":null}`},
		"token_type empty":                {Status: 200, Body: `{"access_token":"abcdefgh","token_type":""}`},
		"token_type BearerToken (Apigee)": {Status: 200, Body: `{"access_token":"abcdefgh","token_type":"BearerToken"}`},
		"token_type bot (Slack)":          {Status: 200, Body: `{"access_token":"abcdefgh","token_type":"bot"}`},
		"token_type of another case":      {Status: 200, Body: `{"access_token":"abcdefgh","token_type":"bEARER"}`},
		"error null next to it":           {Status: 200, Body: `{"access_token":"abcdefgh","error":null}`},
		"token with a bar":                {Status: 200, Body: `{"access_token":"17|abcdefgh"}`},
		"byte order mark":                 {Status: 200, Body: "\ufeff" + `{"access_token":"abcdefgh"}`},
		"a short refresh_token, ignored":  {Status: 200, Body: `{"access_token":"abcdefgh","refresh_token":"short"}`},
		"no content type": {
			Status: 200, Header: http.Header{"Content-Type": {""}}, Body: `{"access_token":"abcdefgh"}`,
		},
	}
	for name, a := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := once(t, clientCredentials(), nil, a)
			if want := map[bool]string{true: "17|abcdefgh", false: "abcdefgh"}[strings.Contains(a.Body, "17|")]; err != nil ||
				got.Token.Reveal() != want {
				t.Errorf("got %q, %v", got.Token.Reveal(), err)
			}
		})
	}
}

func TestFailedTokenRequests(t *testing.T) {
	t.Parallel()
	json := http.Header{"Content-Type": {"application/json"}}
	tests := map[string]struct {
		answer              answer
		rejected, permanent bool
		retried             bool // another request may follow
		says                string
	}{
		"401 invalid_client": {
			answer: answer{Status: 401, Body: failure("invalid_client")}, rejected: true, permanent: true,
			says: "invalid_client",
		},
		"400 invalid_client": {
			answer: answer{Status: 400, Body: failure("invalid_client")}, rejected: true, permanent: true,
			says: "answered 400, invalid_client: why",
		},
		"400 invalid_grant": {
			answer: answer{Status: 400, Body: failure("invalid_grant")}, rejected: true, permanent: true, says: "invalid_grant",
		},
		"400 unauthorized_client": {
			answer: answer{Status: 400, Body: failure("unauthorized_client")}, rejected: true, permanent: true,
			says: "unauthorized_client",
		},
		"401 unauthorized_client": {
			answer: answer{Status: 401, Body: failure("unauthorized_client")}, rejected: true, permanent: true,
			says: "unauthorized_client",
		},
		"403 invalid_grant (Auth0)": {
			answer: answer{Status: 403, Body: failure("invalid_grant")}, rejected: true, permanent: true,
			says: "answered 403, invalid_grant: why",
		},
		"403 with Retry-After, rejected": {
			answer:   answer{Status: 403, Header: http.Header{"Retry-After": {"1"}}, Body: failure("invalid_client")},
			rejected: true, permanent: true, says: "invalid_client",
		},
		"200 invalid_client (Zoho)": {
			answer: answer{Status: 200, Body: `{"error":"invalid_client"}`}, rejected: true, permanent: true,
			says: "answered 200, invalid_client",
		},
		"200 bad_refresh_token": {
			answer: answer{Status: 200, Body: failure("bad_refresh_token")}, rejected: true, permanent: true,
			says: "bad_refresh_token: why",
		},
		"200 incorrect_client_credentials (GitHub)": {
			answer: answer{Status: 200, Body: failure("incorrect_client_credentials")}, rejected: true, permanent: true,
			says: "incorrect_client_credentials: why",
		},
		"404 invalid_client": {
			answer: answer{Status: 404, Body: failure("invalid_client")}, rejected: true, permanent: true, says: "answered 404",
		},
		"in capital letters": {
			answer: answer{Status: 400, Body: failure("INVALID_CLIENT")}, rejected: true, permanent: true,
			says: "INVALID_CLIENT",
		},
		"errorCode (Okta)": {
			answer: answer{Status: 401, Body: `{"errorCode":"invalid_client","errorSummary":"No client."}`}, rejected: true,
			permanent: true, says: "invalid_client: No client.",
		},
		"error.type": {
			answer: answer{Status: 400, Body: `{"error":{"type":"invalid_grant","message":"why"}}`}, rejected: true,
			permanent: true, says: "invalid_grant: why",
		},
		"401 without a body": {
			answer: answer{Status: 401}, rejected: true, permanent: true, says: "answered 401. Check oauth2.client_id",
		},
		"401 with another code": {
			answer: answer{Status: 401, Body: failure("access_denied")}, rejected: true, permanent: true, says: "access_denied",
		},
		"401 with a body over 1 MiB": {answer: answer{Status: 401, Body: strings.Repeat(" ", 1<<20+
			1)}, rejected: true, permanent: true, says: "larger than 1 MiB"},
		"500 invalid_client": {
			answer: answer{Status: 500, Body: failure("invalid_client")}, rejected: true, permanent: true, retried: true,
			says: "answered 500",
		},
		"503 invalid_client": {
			answer: answer{Status: 503, Body: failure("invalid_client")}, rejected: true, permanent: true, retried: true,
			says: "answered 503",
		},
		"400 invalid_request": {
			answer: answer{Status: 400, Body: failure("invalid_request")}, permanent: true, says: "invalid_request",
		},
		"400 invalid_scope": {
			answer: answer{Status: 400, Body: failure("invalid_scope")}, permanent: true, says: "invalid_scope",
		},
		"403 invalid_scope": {
			answer: answer{Status: 403, Body: failure("invalid_scope")}, permanent: true, says: "invalid_scope",
		},
		"200 invalid_scope": {
			answer: answer{Status: 200, Body: failure("invalid_scope")}, permanent: true, says: "invalid_scope",
		},
		"400 unsupported_grant_type": {
			answer: answer{Status: 400, Body: failure("unsupported_grant_type")}, permanent: true,
			says: "unsupported_grant_type",
		},
		"500 invalid_request": {
			answer: answer{Status: 500, Body: failure("invalid_request")}, retried: true, says: "answered 500, invalid_request",
		},
		"400 another code": {answer: answer{Status: 400, Body: failure("access_denied")}, says: "access_denied"},
		"400 no JSON": {
			answer: answer{Status: 400, Body: "invalid_client"}, says: "answered 400, invalid_client",
		},
		"400 HTML": {
			answer: answer{Status: 400, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>why"},
			says:   "example.com answered 400",
		},
		"400 message and status": {
			answer: answer{Status: 400, Header: json, Body: `{"status":"BAD_CLIENT_ID","message":"unknown client"}`},
			says:   "BAD_CLIENT_ID: unknown client",
		},
		"400 errors": {
			answer: answer{Status: 400, Header: json, Body: `{"errors":[{"message":"why not"}]}`}, says: "why not",
		},
		"400 reason": {
			answer: answer{Status: 400, Header: json, Body: `{"reason":"Invalid request"}`}, says: "Invalid request",
		},
		"400 on several lines": {
			answer: answer{Status: 400, Header: json, Body: `{"message":"a\n\u2028b\u0000  c"}`}, says: "answered 400, a b c",
		},
		"404": {answer: answer{Status: 404}, says: "answered 404"},
		"302": {
			answer: answer{Status: 302, Header: http.Header{"Location": {"https://example.com/other?a=" + canary}}},
			says:   "answered 302: redirects are not followed, and it points to https://example.com/other",
		},
		"307 to a path": {
			answer: answer{Status: 307, Header: http.Header{"Location": {"/v1/other"}}},
			says:   "it points to https://example.com/v1/other",
		},
		"308 to nowhere": {answer: answer{Status: 308}, says: "redirects are not followed"},
		"408":            {answer: answer{Status: 408}, retried: true, says: "answered 408"},
		"425":            {answer: answer{Status: 425}, retried: true, says: "answered 425"},
		"429":            {answer: answer{Status: 429}, retried: true, says: "answered 429"},
		"403 rate limit": {
			answer: answer{Status: 403, Header: http.Header{"Retry-After": {"1"}}}, retried: true, says: "answered 403",
		},
		"403":               {answer: answer{Status: 403}, says: "answered 403"},
		"500":               {answer: answer{Status: 500}, retried: true, says: "answered 500"},
		"501":               {answer: answer{Status: 501}, says: "answered 501"},
		"502":               {answer: answer{Status: 502}, retried: true, says: "answered 502"},
		"504":               {answer: answer{Status: 504}, retried: true, says: "answered 504"},
		"599":               {answer: answer{Status: 599}, retried: true, says: "answered 599"},
		"connection broken": {answer: answer{Broken: true}, retried: true, says: "did not answer"},
		"body cut off": {
			answer:  answer{Status: 200, Header: http.Header{"Content-Length": {"1000"}}, Body: `{"access_token":`},
			retried: true, says: "cut off",
		},
		"body over 1 MiB": {answer: answer{Status: 200, Body: strings.Repeat(" ", 1<<20+
			1)}, says: "larger than 1 MiB"},
		"200 HTML": {answer: answer{Status: 200, Body: "<html>" + canary}, says: "not with a JSON object"},
		"200 JSON list": {answer: answer{Status: 200, Body: `["` + canary +
			`"]`}, says: "not with a JSON object"},
		"200 empty": {answer: answer{Status: 200}, says: "not with a JSON object"},
		"200 another error": {
			answer: answer{Status: 200, Body: failure("slow_down")}, says: "answered 200, slow_down: why",
		},
		"200 without a token": {
			answer: answer{Status: 200, Body: `{"token_type":"Bearer"}`}, permanent: true, says: "without an access_token",
		},
		"200 with a numeric token": {
			answer: answer{Status: 200, Body: `{"access_token":1234567890,"token_type":"Bearer"}`}, permanent: true,
			says: "without an access_token",
		},
		"200 with a short token": {
			answer: answer{Status: 200, Body: `{"access_token":"1234567","token_type":"Bearer"}`}, permanent: true,
			says: "shorter than 8 bytes",
		},
		"200 with a token of spaces": {answer: answer{Status: 200, Body: `{"access_token":"` + canary +
			` x","token_type":"Bearer"}`}, permanent: true, says: "white space"},
		"200 with token_type MAC": {answer: answer{Status: 200, Body: `{"access_token":"` + canary +
			`","token_type":"MAC"}`}, permanent: true, says: "token_type is mac"},
		"200 with token_type DPoP": {answer: answer{Status: 200, Body: `{"access_token":"` + canary +
			`","token_type":"DPoP"}`}, permanent: true, says: "token_type is dpop"},
		"200 with token_type N_A": {answer: answer{Status: 200, Body: `{"access_token":"` + canary +
			`","token_type":"N_A"}`}, permanent: true, says: "token_type is n_a"},
		"200 with token_type pop": {answer: answer{Status: 200, Body: `{"access_token":"` + canary +
			`","token_type":"pop"}`}, permanent: true, says: "token_type is pop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scrub := &redact.Scrubber{}
			scrub.Add(canary) // as the client's secret, which a server may echo
			_, err := once(t, clientCredentials(), nil, tt.answer)
			failed, ok := errors.AsType[*oauth.Error](err)
			if !ok {
				t.Fatalf("got %v, want an *oauth.Error", err)
			}
			if failed.Rejected != tt.rejected || failed.Permanent != tt.permanent || failed.Host != "example.com" {
				t.Errorf(
					"rejected %t, want %t; permanent %t, want %t; host %s", failed.Rejected, tt.rejected,
					failed.Permanent, tt.permanent,
					failed.Host,
				)
			}
			if failed.Next.Retry != tt.retried {
				t.Errorf("may be retried: %t, want %t", failed.Next.Retry, tt.retried)
			}
			text := scrub.Scrub(err.Error())
			if !strings.Contains(text, tt.says) || !strings.Contains(text, "example.com") || strings.Contains(text, canary) ||
				strings.Contains(text, "html") {
				t.Errorf("error %q, want it to name the host and say %q", text, tt.says)
			}
		})
	}
}

func TestRejectedClientNamesAuthAsAPossibleCause(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		auth, code string
		says       string // empty: nothing of auth
	}{
		"basic": {auth: "basic", code: "invalid_client", says: "oauth2.auth basic_raw, or body"},
		"basic, GitHub's word": {
			auth: "basic", code: "incorrect_client_credentials", says: "oauth2.auth basic_raw, or body",
		},
		"basic_raw":                 {auth: "basic_raw", code: "invalid_client", says: "oauth2.auth basic, or body"},
		"body":                      {auth: "body", code: "invalid_client", says: "oauth2.auth basic, or basic_raw"},
		"the grant, not the client": {auth: "basic", code: "invalid_grant"},
		"the client's rights":       {auth: "basic", code: "unauthorized_client"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := once(
				t, clientCredentials(), change{"auth": tt.auth, "client_secret": "a/b+c=defg"},
				answer{Status: 401, Body: failure(tt.code)},
			)
			if err == nil || strings.Contains(err.Error(), "oauth2.auth") != (tt.says != "") ||
				!strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestProvidersWordsAreBounded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"long":       `{"error":"` + strings.Repeat("x", 9000) + `"}`,
		"characters": `{"error":"` + strings.Repeat("ö", 9000) + `"}`,
		"many": `{"error":"a","error_description":"` + strings.Repeat("b", 290) + `","message":"` +
			strings.Repeat("c", 290) + `"}`,
	} {
		_, err := once(t, clientCredentials(), nil, answer{Status: 400, Body: body})
		const around = len("the token endpoint example.com answered 400, ")
		if err == nil || len(err.Error()) > around+300 || len(err.Error()) < around+290 {
			t.Errorf("%s: %d bytes: %v", name, len(err.Error()), err)
		}
	}
}

// A 2xx may have spent a one-time refresh token: its body must not be lost, whatever else is wrong with it.
func TestRefreshAnswerIsNeverLost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body         string
		refreshToken string
		fails        bool
	}{
		"usable": {
			body: `{"access_token":"abcdefgh","refresh_token":"refresh-2"}`, refreshToken: "refresh-2",
		},
		"no new refresh token": {body: `{"access_token":"abcdefgh"}`},
		"empty refresh token":  {body: `{"access_token":"abcdefgh","refresh_token":""}`},
		"number": {
			body: `{"access_token":"abcdefgh","refresh_token":123456789012}`, refreshToken: "123456789012",
		},
		"number of many digits": {
			body:         `{"access_token":"abcdefgh","refresh_token":12345678901234567890123}`,
			refreshToken: "12345678901234567890123",
		},
		"short refresh token":      {body: `{"access_token":"abcdefgh","refresh_token":"1234567"}`, fails: true},
		"refresh token of no type": {body: `{"access_token":"abcdefgh","refresh_token":{"a":1}}`, fails: true},
		"unusable access token": {
			body: `{"access_token":"a b c d e f","refresh_token":"refresh-2"}`, refreshToken: "refresh-2", fails: true,
		},
		"unusable token_type": {
			body: `{"access_token":"abcdefgh","token_type":"DPoP","refresh_token":"refresh-2"}`, refreshToken: "refresh-2",
			fails: true,
		},
		"no access token": {body: `{"refresh_token":"refresh-2"}`, refreshToken: "refresh-2", fails: true},
		"not JSON":        {body: "access_token=abcdefgh&refresh_token=refresh-2", fails: true},
		"an error next to a token": {
			body: `{"access_token":"abcdefgh","refresh_token":"refresh-2","error":"none"}`, refreshToken: "refresh-2",
		},
		"broken JSON with a secret": {body: `{"access_token":"abcdefgh"`, fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := once(t, refreshToken(), nil, answer{Status: 201, Body: tt.body})
			if (err != nil) != tt.fails || g.RefreshToken.Reveal() != tt.refreshToken || g.Raw.Reveal() != tt.body {
				t.Errorf("got refresh token %q, raw %q, %v", g.RefreshToken.Reveal(), g.Raw.Reveal(), err)
			}
		})
	}
	g, err := once(t, refreshToken(), nil, answer{Status: 400, Body: failure("invalid_grant")})
	if err == nil || !g.Raw.IsZero() {
		t.Errorf("a rejection is not an answer to keep: %v", err)
	}
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		g, err := once(
			t, refreshToken(), nil,
			answer{Status: 200, Header: http.Header{"Content-Length": {"1000"}}, Body: `{"refresh_token":"refresh-2",`},
		)
		if err == nil || !strings.Contains(g.Raw.Reveal(), "refresh-2") {
			t.Errorf("got %q, %v", g.Raw.Reveal(), err)
		}
	})
}

func TestGrantedSecretsAreScrubbed(t *testing.T) {
	t.Parallel()
	server := tokenserver.New(t, func(_ int, w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"access_token":"access-`+canary+`","expires_in":60,"refresh_token":"refresh-`+canary+
			`","id_token":"id-`+canary+`"}`)
	})
	scrub := &redact.Scrubber{}
	g, err := oauth.NewClient(server.Transport, time.Now, scrub).Once(
		t.Context(), config(t, clientCredentials(), nil),
	)
	if err != nil || g.Token.Reveal() != "access-"+canary || g.Life() != time.Minute {
		t.Errorf("got %q for %s, %v", g.Token.Reveal(), g.Life(), err)
	}
	if !g.RefreshToken.IsZero() {
		t.Error("a refresh token of a minted answer is ignored")
	}
	for _, secret := range []string{"access-" + canary, "refresh-" + canary, "id-" + canary} {
		if got := scrub.Scrub("x " + secret); strings.Contains(got, canary) {
			t.Errorf("%s is not scrubbed: %s", secret, got)
		}
	}
}

// A tree of such a body needs 93 MiB.
//
//nolint:paralleltest // it counts what the process allocates
func TestManySmallValuesAreReadInBoundedMemory(t *testing.T) {
	body := `{"list":[0` + strings.Repeat(",0", 500_000) + `],"access_token":"abcdefgh"}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := once(t, clientCredentials(), nil, answer{Status: 200, Body: body})
	runtime.ReadMemStats(&after)
	if err != nil || got.Token.Reveal() != "abcdefgh" {
		t.Errorf("got %q, %v", got.Token.Reveal(), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MiB for a body of 1 MiB", used>>20)
	}
}
