package awssim_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/redact"
)

// TestHostileTokenEndpoint: whatever a token endpoint answers, the process stays small, its lines short, and nothing of
// what could be a token comes out.
func TestHostileTokenEndpoint(t *testing.T) {
	t.Parallel()
	const (
		authority = "id.example.com"
		runs      = 12
		maxMemory = 30 << 20
	)
	random := func(n int) string {
		text := make([]byte, n*3/4)
		_, _ = rand.Read(text) // it never fails (crypto/rand)
		return base64.StdEncoding.EncodeToString(text)
	}
	for name, c := range map[string]struct {
		status int
		body   func() (body, token string)
	}{
		"a new token of a megabyte": {status: http.StatusOK, body: func() (string, string) {
			token := random(1<<20 - 400)
			return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token), token
		}},
		"a megabyte of token in a rejection": {status: http.StatusBadRequest, body: func() (string, string) {
			token := random(1<<19 - 400)
			return fmt.Sprintf(`{"error":"invalid_grant","error_description":%q,"access_token":%q}`, "no: "+token, token), token
		}},
		"a megabyte of refresh token": {status: http.StatusOK, body: func() (string, string) {
			token := random(1<<20 - 400)
			return fmt.Sprintf(`{"access_token":"7 bytes","refresh_token":%q}`, token), token
		}},
		"a megabyte of small values": {status: http.StatusOK, body: func() (string, string) {
			return `{"access_token":[` + strings.Repeat("1,", 1<<19-100) + "1]}", random(64)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			var body, token string
			must(t, r.Host(authority, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, body)
			})))
			for n := range runs {
				// Each run has a client of its own, as a rejection is remembered.
				r.put(fmt.Sprintf(`{"hosts":[%q],"oauth2":{"grant":"client_credentials","token_url":"https://%s/token",`+
					`"client_id":"client-%d","client_secret":%q}}`,
					host, authority, n, random(64)))
				r.advance(6 * time.Minute)
				body, token = c.body()
				run := r.invoke(event(nil))
				if run.Result.Verdict != "rejected" && run.Result.Verdict != "unknown" {
					t.Errorf("run %d: %+v", n, run.Result)
				}
				out := string(run.Stdout) + string(run.Stderr)
				for l := range strings.Lines(out) {
					if len(l) > redact.MaxLine {
						t.Errorf("a line of %d bytes", len(l))
					}
				}
				for at := 0; at+16 <= min(len(token), 8<<10); at++ {
					if strings.Contains(out, token[at:at+16]) {
						t.Fatalf("a piece of the token came out: %s", out)
					}
				}
			}
			if runtime.GOOS != "linux" || awssimtest.RaceEnabled {
				return
			}
			for _, pid := range r.Function("Caller").PIDs() {
				if peak := peakMemory(t, pid); peak > maxMemory {
					t.Errorf("the process took %.1f MiB at its peak", float64(peak)/(1<<20))
				} else {
					t.Logf("peak: %.1f MiB", float64(peak)/(1<<20))
				}
			}
		})
	}
}

// TestSignatureErrors: AWS quotes the canonical request, with the session token, in the messages of signature errors.
func TestSignatureErrors(t *testing.T) {
	t.Parallel()
	rejected := api.Fault{Error: &api.Error{
		Status: http.StatusForbidden, Code: "InvalidSignatureException",
		Message: "The request signature we calculated does not match the signature you provided. Check your AWS Secret " +
			"Access Key and signing method.\n\n" +
			"The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:fake-session-token\n'",
	}}
	for name, spoil := range map[string]func(*rig){
		"Secrets Manager":    func(r *rig) { r.SecretsAPI.Faults.Set("GetSecretValue", "", rejected) },
		"metrics":            func(r *rig) { r.api.Revoke(first); r.CloudWatch.Faults.Set("PutMetricData", "", rejected) },
		"the alarm's state":  func(r *rig) { r.api.Revoke(first); r.CloudWatch.Faults.Set("DescribeAlarms", "", rejected) },
		"the alarm's change": func(r *rig) { r.api.Revoke(first); r.CloudWatch.Faults.Set("SetAlarmState", "", rejected) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, awssim.Options{})
			if strings.HasPrefix(name, "the alarm") { // it has been on for a day
				r.api.Revoke(first)
				r.invoke(event(nil))
				r.advance(21 * time.Hour)
			}
			spoil(r)
			run := r.invoke(event(nil))
			out := string(run.Stdout) + string(run.Stderr) + run.Message
			if strings.Contains(out, "fake-session-token") || strings.Contains(out, "Canonical") ||
				strings.Contains(out, "fake-secret-access-key") {
				t.Errorf("a signature error came out: %s", out)
			}
			if name != "Secrets Manager" && run.Result.Outcome != "token_rejected" {
				t.Errorf("%+v", run.Result)
			}
			if strings.HasPrefix(name, "the alarm") && line(run, "no reminder was sent") == nil {
				t.Errorf("nothing was reminded of: %s", out)
			}
		})
	}
}
