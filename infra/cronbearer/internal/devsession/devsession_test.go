package devsession_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/devsession"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

const first, second = "canary-first-token-of-the-user", "canary-second-token-of-the-user"

// rig is a session with a template and a secret in files.
type rig struct {
	*devsession.Session

	t                *testing.T
	template, secret string
	mistakes         []string
	reloads          int
}

func begin(t *testing.T, target *url.URL, secret string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, template: filepath.Join(dir, "template.yaml"), secret: filepath.Join(dir, "secret.txt")}
	r.save(r.template, shipped.Template())
	built := awssimtest.Binaries(t)
	o := devsession.Options{
		Template: r.template, Event: func(sandbox.Event) {}, Changed: func() {},
		Check:    func() ([]string, error) { return r.mistakes, nil },
		Reloaded: func([]string) { r.reloads++ },
		Open: func(ctx context.Context, so sandbox.Options) (*sandbox.Sandbox, error) {
			so.Template, so.Binaries, so.Target = r.template, built, target
			return sandbox.New(ctx, so)
		},
	}
	if secret != "" {
		r.save(r.secret, secret)
		o.Secrets = map[string]string{"ExampleApi": r.secret}
	}
	var err error
	r.Session, err = devsession.New(t.Context(), o, time.Date(2026, time.November, 2, 8, 7, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

var saves atomic.Int64

// save writes a file with a time of its own: two within one tick of the file system's clock would look the same.
func (r *rig) save(path, text string) {
	r.t.Helper()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		at := time.Unix(1_800_000_000+saves.Add(1), 0)
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) do(commands ...string) {
	r.t.Helper()
	for _, c := range commands {
		if err := r.Do(r.t.Context(), c); err != nil {
			r.t.Fatalf("%s: %v", c, err)
		}
	}
}

func (r *rig) subjects(state string) int {
	n := 0
	for _, e := range r.Emails() {
		if strings.HasPrefix(e.Subject, state) && e.Alarm == "TokenRejected-ExampleApi" {
			n++
		}
	}
	return n
}

// TestOwnEndpointRejectsAndNewSecretFileRecovers: the endpoint answers 401 after some requests, the alarm's email is
// sent, and a file that is saved is enough to recover. The token is not in the page's document.
func TestOwnEndpointRejectsAndNewSecretFileRecovers(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		valid := q.Header.Get("Authorization") == "Bearer "+second
		if served.Add(1) <= 2 {
			valid = q.Header.Get("Authorization") == "Bearer "+first
		}
		w.Header().Set("Content-Type", "application/json")
		if !valid {
			w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"` + q.Header.Get("Authorization") + `"}`)) // the caller scrubs it
			return
		}
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	t.Cleanup(endpoint.Close)
	target, err := url.Parse(endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, target, first+"\n")
	r.do("run HourlySync", "run HourlySync")
	if n := r.subjects("ALARM"); n != 0 {
		t.Fatalf("%d emails while the token is good", n)
	}
	r.do("hour 2")
	if r.subjects("ALARM") == 0 {
		t.Fatal("no email of a rejected token")
	}
	r.save(r.secret, second+"\n")
	r.do("hour 2")
	if r.subjects("OK") == 0 {
		t.Error("no email of the recovery")
	}
	text, err := json.Marshal(r.Document())
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("the document has a secret (%v)", err)
	}
	if err := r.Do(t.Context(), "kill ExampleApi"); err == nil {
		t.Error("a secret of the user's own was killed")
	}
}

// TestSavedTemplateIsDeployedUnlessItHasMistakes at the time that the clock shows.
func TestSavedTemplateIsDeployedUnlessItHasMistakes(t *testing.T) {
	t.Parallel()
	r := begin(t, nil, "")
	r.do("hour")
	at := r.Sandbox().Now()
	renamed := strings.ReplaceAll(shipped.Template(), "HourlySync", "OftenSync")
	r.mistakes = []string{"template.yaml:1:1: error: broken"}
	r.save(r.template, renamed)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	has := func(job string) bool {
		return slices.ContainsFunc(r.Sandbox().Jobs(), func(j sandbox.Job) bool { return j.Name == job })
	}
	if d := r.Document(); !slices.Equal(d.Mistakes, r.mistakes) || !has("HourlySync") {
		t.Fatalf("mistakes %v; the one before runs on: %t", d.Mistakes, has("HourlySync"))
	}
	r.mistakes = nil
	r.save(r.template, renamed+"\n")
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := r.Sandbox().Now().Sub(at)
	if d := r.Document(); len(d.Mistakes) != 0 || !has("OftenSync") || late > time.Minute || r.reloads != 2 {
		t.Errorf("mistakes %v, reloads %d, clock %s", d.Mistakes, r.reloads, r.Sandbox().Now())
	}
	r.do("run OftenSync")
}
