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
		text := fmt.Sprintf(
			`{"error":"token %s is bad","again":%q,"url":%q}`, canary, base64.StdEncoding.EncodeToString([]byte(canary)),
			url.QueryEscape(canary),
		)
		return upstream.Answer{Status: status, Body: text, Header: map[string]string{
			"Content-Type": "application/json", "Www-Authenticate": `Bearer realm="` + canary + `"`,
			"Location": "https://api.example.com/?token=" + canary,
			"X-Echo":   "Bearer " + canary, "Github-Authentication-Token-Expiration": canary,
		}}
	}
	cases := map[string]struct {
		event   map[string]any
		prepare func(*rig)
		outcome string
	}{
		"succeeded": {event: nil, prepare: func(r *rig) { r.api.Answer(echo(200)) }, outcome: "succeeded"},
		"rejected":  {event: nil, prepare: func(r *rig) { r.api.Answer(echo(401)) }, outcome: "token_rejected"},
		"rejected (rule)": {
			event: map[string]any{"reject": map[string]any{"json": map[string]any{"/error": "token " +
				canary + " is bad"}}},
			prepare: func(r *rig) {
				r.api.Answer(echo(200))
			}, outcome: "token_rejected",
		},
		"failed":     {event: nil, prepare: func(r *rig) { r.api.Answer(echo(500)) }, outcome: "target_failed"},
		"redirected": {event: nil, prepare: func(r *rig) { r.api.Answer(echo(302)) }, outcome: "target_failed"},
		"cut off": {
			event: map[string]any{"expect": map[string]any{"json": map[string]any{"/ok": true}}},
			prepare: func(r *rig) {
				a := echo(200)
				a.Cut, a.CutAfter = true, 20
				r.api.Answer(a)
			}, outcome: "target_failed",
		},
		"hung up": {event: nil, prepare: func(r *rig) { r.api.Answer(upstream.HungUp) }, outcome: "unreachable"},
		"metrics rejected": {event: nil, prepare: func(r *rig) {
			r.api.Answer(echo(401))
			r.CloudWatch.Faults.Set("", "", api.Unavailable)
		}, outcome: "token_rejected"},
		"token in the event": {
			event: map[string]any{"call": "GET https://api.example.com/" +
				canary, "headers": map[string]any{"X-Mine": canary}},
			prepare: func(r *rig) {
				r.api.Answer(echo(500))
			}, outcome: "target_failed",
		},
		"malformed secret": {event: nil, prepare: func(r *rig) {
			r.put(`{"token":"` + canary + `","tokn":"` + canary + `"}`)
		}, outcome: "token_unavailable"},
		"two tokens": {event: nil, prepare: func(r *rig) {
			r.put(canary + " " + canary)
		}, outcome: "token_unavailable"},
		"another host": {event: nil, prepare: func(r *rig) {
			r.put(`{"token":"` + canary + `","hosts":["other.example.com"]}`)
		}, outcome: "invalid_job"},
		"garbage instead of an answer": {
			event: map[string]any{"call": "GET https://raw.example.com/"},
			prepare: func(r *rig) {
				must(r.t, r.Host("raw.example.com", garbage("HTTP/1.1 "+canary+" "+canary+"\r\n\r\n")))
				r.put(`{"token":"` + canary + `","hosts":["raw.example.com"]}`)
			}, outcome: "unreachable",
		},
		"a token endpoint that quotes its client's secret": {event: nil, prepare: func(r *rig) {
			must(r.t, r.Host("id.example.com", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"the secret `+canary+` is wrong"}`)
			})))
			r.put(
				`{"oauth2":{"grant":"client_credentials","token_url":"https://id.example.com/token","client_id":"client",` +
					`"client_secret":"` + canary + `"},"hosts":["` + host + `"]}`,
			)
		}, outcome: "token_rejected"},
		"an event that repeats it as a key": {event: map[string]any{canary: 1}, prepare: func(r *rig) {
			r.invoke(event(nil))
		}, outcome: "invalid_job"},
		"debug level": {event: nil, prepare: func(r *rig) {
			r.api.Answer(echo(401))
		}, outcome: "token_rejected"},
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

// leaving is everything that a run leaves behind. What a user wrote into the event is in the queue's record, as it
// is in the schedule; what the function says must not repeat it.
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
		"base64":    base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64url": base64.URLEncoding.EncodeToString([]byte(secret)),
		"query":     url.QueryEscape(secret), "path": url.PathEscape(secret),
	}
	for i := 0; i+16 <= len(secret); i++ {
		all[fmt.Sprint("piece from ", i)] = secret[i : i+16]
	}
	return all
}
