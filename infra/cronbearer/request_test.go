package main_test

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/render"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// TestRenderedRequestIsWhatTheCallerSends writes jobs as `new job` does, lets the real caller run them, and compares
// each request that arrives with what `run --dry` makes of the same start.
func TestRenderedRequestIsWhatTheCallerSends(t *testing.T) {
	t.Parallel()
	template := []byte(shipped.Template())
	kinds := map[string][]edit.Key{
		"Get":  {{Name: "Call", Value: "GET https://api.example.com/get?at={{scheduledTime}}&d={{localDate-1d}}"}},
		"Head": {{Name: "Call", Value: "HEAD https://api.example.com/head"}},
		"Json": {
			{Name: "Call", Value: "POST https://api.example.com/json/{{runId}}"},
			{Name: "Body", Value: `{"it's":["{{scheduledDate}}",1.50,null],"at":"{{localTime}}"}`},
			{Name: "Headers", Value: `{"Accept":"application/json","X-Run":"{{runId}}","User-Agent":"ours/1"}`},
		},
		"Text": {
			{Name: "Call", Value: "PUT https://api.example.com/text"}, {Name: "Body", Value: `"it's: {{scheduledDate}} é"`},
		},
		"None": {{Name: "Call", Value: "DELETE https://api.example.com/none"}},
	}
	for name, keys := range kinds {
		keys = append(keys, edit.Key{Name: "Schedule", Value: "cron(0/30 * * * ? *)"},
			edit.Key{Name: "Timezone", Value: "Asia/Kolkata"}, edit.Key{Name: "Token", Value: "ExampleApi"},
			edit.Key{Name: "SilentAfter", Value: "2"})
		var err error
		if template, err = edit.Add(template, edit.Jobs, edit.Row{Name: name, Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
	c := deployed(t, template)
	if err := c.Advance(t.Context(), 50*time.Minute); err != nil {
		t.Fatal(err)
	}
	arrived := map[string]upstream.Request{}
	for _, r := range c.Target("api.example.com").Requests() {
		arrived[r.Path[:min(len(r.Path), 4)]] = r
	}
	for name := range kinds {
		path := map[string]string{"Get": "/get", "Head": "/hea", "Json": "/jso", "Text": "/tex", "None": "/non"}[name]
		got, ok := arrived[path]
		if !ok {
			t.Errorf("%s: no request arrived", name)
			continue
		}
		schedule, err := render.Find(c.Stack, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := render.NewRequest(schedule.Event(got.At.Truncate(30*time.Minute)), got.At, "Idempotency-Key")
		if err != nil {
			t.Fatal(err)
		}
		compareRequests(t, name, want, got)
	}
}

func compareRequests(t *testing.T, name string, want render.Request, got upstream.Request) {
	t.Helper()
	sent := want.HTTP(t.Context())
	// The host is this machine's: the simulator writes it into the event.
	if sent.Method != got.Method || sent.URL.EscapedPath() != got.Path ||
		sent.URL.RawQuery != got.Query || !bytes.Equal(want.Body, got.Body) {
		t.Errorf("%s: %s %s %q, and %s %s?%s %q arrived", name, sent.Method, sent.URL, want.Body, got.Method, got.Path,
			got.Query, got.Body)
	}
	// What net/http and the caller add below the request.
	headers := maps.Clone(got.Header)
	for _, added := range []string{"Authorization", "Accept-Encoding", "Connection", "Content-Length"} {
		delete(headers, added)
	}
	if diff := cmp.Diff(sent.Header, headers); diff != "" {
		t.Errorf("%s: headers (-rendered +arrived):\n%s", name, diff)
	}
	if got.Header.Get("Authorization") == "" || got.Status != http.StatusOK {
		t.Errorf("%s: status %d", name, got.Status)
	}
}

// deployed is a simulated account with the real functions, and a token that its API accepts.
func deployed(t *testing.T, template []byte) *awssim.Cloud {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	built, err := functions(root)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		t.Fatal(err)
	}
	start, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := awssim.New(awssim.Options{Template: path, Binaries: built, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the test is over
	if _, err := c.PutSecret("example-api", tokenOf("example-api")); err != nil {
		t.Fatal(err)
	}
	c.Target("api.example.com").Accept(tokenOf("example-api"))
	c.Target("api.example.com").Keep(true)
	return c
}
