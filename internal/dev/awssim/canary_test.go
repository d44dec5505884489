package awssim_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// TestTokenNeverInOutput runs every outcome with a token of known shape, by targets and services that echo it wherever
// they can, and looks for it in everything that leaves the process but the Authorization header.
func TestTokenNeverInOutput(t *testing.T) {
	t.Parallel()
	const canary = "fake.CANARY-token~of+44/bytes_that_must_not_leak=="
	echo := func(status int) upstream.Answer {
		text := fmt.Sprintf(`{"error":"token %s is bad","again":%q,"url":%q}`, canary, base64.StdEncoding.EncodeToString([]byte(canary)), url.QueryEscape(canary))
		return upstream.Answer{Status: status, Body: text, Header: map[string]string{
			"Content-Type": "application/json", "Www-Authenticate": `Bearer realm="` + canary + `"`, "Location": "https://api.example.com/?token=" + canary,
			"X-Echo": "Bearer " + canary, "Github-Authentication-Token-Expiration": canary,
		}}
	}
	cases := map[string]struct {
		event   map[string]any
		prepare func(*rig)
		outcome string
	}{
		"succeeded":       {nil, func(r *rig) { r.api.Answer(echo(200)) }, "succeeded"},
		"rejected":        {nil, func(r *rig) { r.api.Answer(echo(401)) }, "token_rejected"},
		"rejected (rule)": {map[string]any{"reject": map[string]any{"json": map[string]any{"/error": "token " + canary + " is bad"}}}, func(r *rig) { r.api.Answer(echo(200)) }, "token_rejected"},
		"failed":          {nil, func(r *rig) { r.api.Answer(echo(500)) }, "target_failed"},
		"redirected":      {nil, func(r *rig) { r.api.Answer(echo(302)) }, "target_failed"},
		"cut off": {map[string]any{"expect": map[string]any{"json": map[string]any{"/ok": true}}}, func(r *rig) {
			a := echo(200)
			a.Cut, a.CutAfter = true, 20
			r.api.Answer(a)
		}, "target_failed"},
		"hung up":            {nil, func(r *rig) { r.api.Answer(upstream.HungUp) }, "unreachable"},
		"metrics refused":    {nil, func(r *rig) { r.api.Answer(echo(401)); r.CloudWatch.Faults.Set("", "", api.Unavailable) }, "token_rejected"},
		"token in the event": {map[string]any{"call": "GET https://api.example.com/" + canary, "headers": map[string]any{"X-Mine": canary}}, func(r *rig) { r.api.Answer(echo(500)) }, "target_failed"},
		"malformed secret":   {nil, func(r *rig) { r.put(`{"token":"` + canary + `","tokn":"` + canary + `"}`) }, "token_unavailable"},
		"two tokens":         {nil, func(r *rig) { r.put(canary + " " + canary) }, "token_unavailable"},
		"another host":       {nil, func(r *rig) { r.put(`{"token":"` + canary + `","hosts":["other.example.com"]}`) }, "invalid_job"},
		"garbage instead of an answer": {map[string]any{"call": "GET https://raw.example.com/"}, func(r *rig) {
			must(r.t, r.Host("raw.example.com", garbage("HTTP/1.1 "+canary+" "+canary+"\r\n\r\n")))
			r.put(`{"token":"` + canary + `","hosts":["raw.example.com"]}`)
		}, "unreachable"},
		"a token endpoint that quotes its client's secret": {nil, func(r *rig) {
			must(r.t, r.Host("id.example.com", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"the secret `+canary+` is wrong"}`)
			})))
			r.put(`{"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/token","client_id":"client","client_secret":"` + canary + `"},"hosts":["` + host + `"]}`)
		}, "token_rejected"},
		"an event that repeats it as a key": {map[string]any{canary: 1}, func(r *rig) { r.invoke(event(nil)) }, "invalid_job"},
		"debug level":                       {nil, func(r *rig) { r.api.Answer(echo(401)) }, "token_rejected"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := awssim.Options{Parameters: map[string]string{}}
			if name == "debug level" {
				o.Parameters["LogLevel"] = "debug"
			}
			r := start(t, o)
			r.put(canary)
			r.api.Accept(canary)
			c.prepare(r)
			if err := r.InvokeAsync(t.Context(), "Caller", event(c.event)); err != nil {
				t.Fatal(err)
			}
			r.advance(10 * time.Minute)
			runs := r.Runs()
			run := runs[len(runs)-1]
			if run.Result.Outcome != c.outcome {
				t.Fatalf("%+v\n%s", run.Result, run.Message)
			}
			for what, text := range r.leaving(run) {
				for form, bad := range forms(canary) {
					if strings.Contains(text, bad) {
						t.Errorf("%s holds the token (%s):\n%s", what, form, text)
					}
				}
			}
		})
	}
}

// garbage writes bytes where an answer should be, and hangs up.
func garbage(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	})
}

// leaving is everything that a run leaves behind. What a user wrote into the event stands in the queue's record, as it
// stands in the schedule; what the function says must not repeat it.
func (r *rig) leaving(run awssim.Run) map[string]string {
	r.t.Helper()
	all := map[string]string{
		"stdout": string(run.Stdout), "stderr": string(run.Stderr), "the result": string(run.Payload),
		"the error": run.ErrorType + run.Message, "metrics and alarms": fmt.Sprintf("%+v", r.CloudWatch.Calls("")),
		"emails": fmt.Sprintf("%+v", r.Emails("")),
	}
	for _, m := range r.Queue("FailedRuns").Messages() {
		var record map[string]any
		if err := json.Unmarshal([]byte(m.Body), &record); err != nil {
			r.t.Fatal(err)
		}
		delete(record, "requestPayload")
		all["queue"] += fmt.Sprint(record)
	}
	return all
}

// forms are the token whole, in pieces of 16 bytes, and encoded.
func forms(secret string) map[string]string {
	all := map[string]string{
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64url": base64.URLEncoding.EncodeToString([]byte(secret)),
		"query": url.QueryEscape(secret), "path": url.PathEscape(secret),
	}
	for i := 0; i+16 <= len(secret); i++ {
		all[fmt.Sprint("piece from ", i)] = secret[i : i+16]
	}
	return all
}
