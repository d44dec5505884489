package awssim_test

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

// Tokens that open nothing.
const (
	host   = "api.example.com"
	secret = "example-api"
	first  = "fake-token-number-one"
	second = "fake-token-number-two"
	third  = "fake-token-number-three"
)

// rig is a cloud whose schedules do not start, with one secret and one API.
type rig struct {
	*awssim.Cloud

	t   *testing.T
	api *upstream.Server
}

// start deploys; the API accepts the first token, which the secret holds.
func start(t *testing.T, o awssim.Options) *rig {
	t.Helper()
	o.NoStarts = true
	r := &rig{Cloud: awssimtest.Start(t, o), t: t}
	r.api = r.Target(host)
	r.put(first)
	r.api.Accept(first)
	return r
}

func (r *rig) put(value string) string {
	r.t.Helper()
	id, err := r.PutSecret(secret, value)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) putStaged(value string, stages ...string) {
	r.t.Helper()
	if _, err := r.Secrets.PutStaged(r.SecretID(secret), value, stages...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	if err := r.Advance(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
}

// event is a GET of one job; fields replace its own.
func event(fields map[string]any) []byte {
	e := map[string]any{"job": "HourlySync", "token": "ExampleApi", "secret": secret, "call": "GET https://" + host +
		"/v1/sync", "attempts": 1}
	maps.Copy(e, fields)
	text, err := json.Marshal(e)
	if err != nil { // plain values
		return nil
	}
	return text
}

func (r *rig) invoke(e []byte) awssim.Run {
	r.t.Helper()
	run, err := r.Invoke(r.t.Context(), "Caller", e)
	if err != nil {
		r.t.Fatal(err)
	}
	if run.Result.Outcome == "" {
		r.t.Fatalf("the run has no line of its own:\n%s%s", run.Stdout, run.Stderr)
	}
	return run
}

// data sums up what was stored: "TokenRejected ExampleApi 1".
func (r *rig) data() []string {
	var list []string
	for _, d := range r.CloudWatch.Data("") {
		owner := d.Dimension("Token") + d.Dimension("Job")
		number, err := json.Marshal(d.Value())
		if err != nil { // a finite number
			r.t.Fatal(err)
		}
		list = append(list, d.Metric+" "+owner+" "+string(number))
	}
	return list
}

// line finds a log line by its message.
func line(run awssim.Run, message string) map[string]any {
	for _, l := range run.Lines() {
		if text, _ := l["message"].(string); strings.Contains(text, message) {
			return l
		}
	}
	return nil
}
