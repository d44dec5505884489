package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

// start is a Monday in a month without clock changes, 53 minutes before DailyReport runs.
var start = time.Date(2026, time.November, 2, 8, 7, 0, 0, time.UTC)

const (
	token  = "ExampleApi"
	secret = "example-api"
	host   = "api.example.com"
	reader = "you@example.com"
)

// rig is a sandbox with its events.
type rig struct {
	*sandbox.Sandbox

	t      *testing.T
	events []sandbox.Event
}

// begin deploys the shipped template, or the text of another one.
func begin(t *testing.T, template string, o sandbox.Options) *rig {
	t.Helper()
	r := &rig{t: t}
	o.Template = awssimtest.Template()
	if template != "" {
		o.Template = filepath.Join(t.TempDir(), "template.yaml")
		if err := os.WriteFile(o.Template, []byte(template), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Start, o.Binaries = start, awssimtest.Binaries(t)
	o.Observe = func(e sandbox.Event) { r.events = append(r.events, e) }
	var err error
	if r.Sandbox, err = sandbox.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	if err := r.Advance(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) apply(f sandbox.Fault) {
	r.t.Helper()
	if err := r.Apply(f); err != nil {
		r.t.Fatal(err)
	}
}

// outcomes are those of the runs since the n-th event, each once.
func (r *rig) outcomes(n int) []string {
	var list []string
	for _, e := range r.events[n:] {
		if e.Kind == sandbox.KindRun && !slices.Contains(list, e.Outcome) {
			list = append(list, e.Outcome)
		}
	}
	return list
}

// alarmed returns when the first email about each alarm in ALARM came, after a moment.
func (r *rig) alarmed(after time.Time) map[string]time.Duration {
	first := map[string]time.Duration{}
	for _, e := range r.events {
		if _, known := first[e.Alarm]; e.Kind == sandbox.KindEmail && strings.HasPrefix(e.Subject, "ALARM") && !known {
			first[e.Alarm] = e.At.Sub(after)
		}
	}
	return first
}

// TestEachFaultHasItsStory: what its runs come to, who is notified of what and how soon, and that all is well again
// once it is restored.
func TestEachFaultHasItsStory(t *testing.T) {
	t.Parallel()
	const hour, soon = time.Hour, time.Hour + 4*time.Minute // the next start of HourlySync and CloudWatch's minutes
	rejected, failed := "TokenRejected-"+token, "FailedRuns"
	cases := map[string]struct {
		fault    sandbox.Fault
		renewal  sandbox.Renewal
		outcomes []string
		alarms   map[string]time.Duration // at most
		pass     time.Duration
	}{
		"a token is killed": {
			fault: sandbox.Fault{Kind: sandbox.Kill, Name: token}, outcomes: []string{"token_rejected"},
			alarms: map[string]time.Duration{rejected: soon, failed: soon},
		},
		"the client of a minted token is revoked": {
			fault: sandbox.Fault{Kind: sandbox.Kill, Name: token}, renewal: sandbox.Minted,
			outcomes: []string{"token_rejected"}, alarms: map[string]time.Duration{rejected: soon, failed: soon},
		},
		"a rotated token is killed: the rotator replaces it": {
			fault: sandbox.Fault{Kind: sandbox.Kill, Name: token}, renewal: sandbox.Rotated,
			outcomes: []string{"token_rejected", "succeeded"}, alarms: map[string]time.Duration{rejected: soon, failed: soon},
		},
		"a refresh token is revoked": {
			fault: sandbox.Fault{Kind: sandbox.RefreshRevoked, Name: token}, renewal: sandbox.Rotated,
			outcomes: []string{"succeeded", "token_rejected"}, pass: 3 * hour,
			alarms: map[string]time.Duration{
				"RotationFailed-" + secret: 35 * time.Minute, "DeadLetters": 2 * hour, rejected: 3 * hour, failed: 3 * hour,
				"TokenExpiring-" + token: 2 * hour,
			},
		},
		"the API answers 403": {
			fault: sandbox.Fault{Kind: sandbox.Forbidden, Name: host}, outcomes: []string{"target_failed"},
			alarms: map[string]time.Duration{failed: soon, "Silent-HourlySync": 4 * hour}, pass: 4 * hour,
		},
		"the API answers 500": {
			fault: sandbox.Fault{Kind: sandbox.ServerError, Name: host}, outcomes: []string{"target_failed"},
			alarms: map[string]time.Duration{failed: soon},
		},
		"the API does not answer in time": {
			fault: sandbox.Fault{Kind: sandbox.Slow, Name: host}, outcomes: []string{"unreachable"},
			alarms: map[string]time.Duration{failed: soon},
		},
		"the secret is deleted": {
			fault: sandbox.Fault{Kind: sandbox.SecretDeleted, Name: token}, outcomes: []string{"token_unavailable"},
			alarms: map[string]time.Duration{rejected: soon, failed: soon},
		},
		"the role is denied": {
			fault: sandbox.Fault{Kind: sandbox.RoleDenied}, outcomes: []string{"token_unavailable"},
			alarms: map[string]time.Duration{rejected: soon, failed: soon},
		},
		"starts are rejected": {
			fault:  sandbox.Fault{Kind: sandbox.StartsFail},
			alarms: map[string]time.Duration{"StartsDropped": soon + 10*time.Minute, "DeadLetters": soon + 10*time.Minute},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sandbox.Options{}
			template := ""
			if c.renewal != "" { // a token of an hour warns later
				template = strings.Replace(shipped.Template(), "WarnDays: 14 }", "WarnDays: 0.01 }", 1)
				o.Renewals = map[string]sandbox.Renewal{token: c.renewal}
			}
			r := begin(t, template, o)
			r.pass(2 * hour)
			if got := r.outcomes(0); !slices.Equal(got, []string{"succeeded"}) || len(r.alarmed(start)) > 0 {
				t.Fatalf("before the fault: %v, %v", got, r.alarmed(start))
			}
			at, n := r.Now(), len(r.events)
			r.apply(c.fault)
			r.pass(max(c.pass, soon+15*time.Minute))
			if got := r.outcomes(n); !slices.Equal(got, c.outcomes) {
				t.Errorf("outcomes: %v, want %v", got, c.outcomes)
			}
			got := r.alarmed(at)
			for alarm, delay := range got {
				if limit, ok := c.alarms[alarm]; !ok || delay > limit {
					t.Errorf("%s after %s, at most %s", alarm, delay, limit)
				}
			}
			if len(got) != len(c.alarms) {
				t.Errorf("alarms: %v, want %v", got, c.alarms)
			}
			if err := r.Restore(c.fault); err != nil {
				t.Fatal(err)
			}
			n = len(r.events)
			r.pass(soon)
			if got := r.outcomes(n); !slices.Equal(got, []string{"succeeded"}) || len(r.On()) > 0 {
				t.Errorf("after it is over: %v, still on: %v", got, r.On())
			}
			r.hidesSecrets()
		})
	}
}

// hidesSecrets looks for each value that a secret has had in all that was reported.
func (r *rig) hidesSecrets() {
	r.t.Helper()
	text, err := json.Marshal(r.events)
	if err != nil {
		r.t.Fatal(err)
	}
	stored, ok := r.Secrets.Secret(r.SecretID(secret))
	if !ok {
		r.t.Fatal("there is no secret")
	}
	looked := 0
	for _, v := range stored.Versions {
		if v.Text == nil {
			continue
		}
		for _, hidden := range values(*v.Text) {
			looked++
			if strings.Contains(string(text), hidden) {
				r.t.Error("a secret is in the events")
			}
		}
	}
	if looked == 0 {
		r.t.Error("no secret to look for")
	}
	if strings.Contains(string(text), "localhost") {
		r.t.Error("this machine is in the events")
	}
}

// values are the secret parts of a secret's text.
func values(text string) []string {
	var document struct {
		Token  string
		OAuth2 map[string]string
	}
	if json.Unmarshal([]byte(text), &document) != nil {
		return []string{text}
	}
	return slices.DeleteFunc([]string{
		document.Token, document.OAuth2["refresh_token"], document.OAuth2["client_secret"],
	}, func(s string) bool { return s == "" })
}

// TestNoOneIsNotified: the runs fail and the alarm is in ALARM, but no email comes.
func TestNoOneIsNotified(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"the topic's policy lets no one publish": {Kind: sandbox.TopicDenied},
		"the reader has not confirmed":           {Kind: sandbox.Unconfirmed, Name: reader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, "", sandbox.Options{})
			r.apply(fault)
			r.apply(sandbox.Fault{Kind: sandbox.Kill, Name: token})
			r.pass(70 * time.Minute)
			if r.AlarmState("TokenRejected-"+token) != "ALARM" || len(r.Emails("")) > 0 {
				t.Errorf("%s, %d emails", r.AlarmState("TokenRejected-"+token), len(r.Emails("")))
			}
			if (len(r.Readers()) == 0) != (fault.Kind == sandbox.Unconfirmed) {
				t.Errorf("readers: %v", r.Readers())
			}
			if err := r.Restore(fault); err != nil {
				t.Fatal(err)
			}
			if err := r.Restore(sandbox.Fault{Kind: sandbox.Kill, Name: token}); err != nil {
				t.Fatal(err)
			}
			r.pass(70 * time.Minute)
			if len(r.Emails("")) == 0 {
				t.Error("the end is not notified either")
			}
		})
	}
}

// TestFaultsOfOneHost: the latest one counts, and the one before comes back when it is over.
func TestFaultsOfOneHost(t *testing.T) {
	t.Parallel()
	r := begin(t, "", sandbox.Options{})
	first := sandbox.Fault{Kind: sandbox.ServerError, Name: host}
	second := sandbox.Fault{Kind: sandbox.Forbidden, Name: host}
	status := func() int {
		t.Helper()
		n := len(r.events)
		r.pass(time.Hour)
		for _, e := range r.events[n:] {
			if e.Kind == sandbox.KindRun {
				return e.Status
			}
		}
		t.Fatal("nothing ran")
		return 0
	}
	r.apply(first)
	r.apply(second)
	if got := status(); got != 403 {
		t.Errorf("both: %d", got)
	}
	if err := r.Restore(second); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != 500 {
		t.Errorf("the first: %d", got)
	}
	if err := r.Restore(first); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != 200 {
		t.Errorf("none: %d", got)
	}
}

func TestFaultsThatCannotBe(t *testing.T) {
	t.Parallel()
	r := begin(t, "", sandbox.Options{})
	for want, fault := range map[string]sandbox.Fault{
		`no job uses a token "Other"; there are ExampleApi`:       {Kind: sandbox.Kill, Name: "Other"},
		"no job calls a host other.example; they call " + host:    {Kind: sandbox.Slow, Name: "other.example"},
		"no subscription of me@example.com; there are " + reader:  {Kind: sandbox.Unconfirmed, Name: "me@example.com"},
		"ExampleApi has no refresh token here: it is not rotated": {Kind: sandbox.RefreshRevoked, Name: token},
		"there is no fault earthquake":                            {Kind: "earthquake"},
		"role-denied takes no name":                               {Kind: sandbox.RoleDenied, Name: "x"},
	} {
		if err := r.Apply(fault); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", fault, err, want)
		}
	}
	if err := r.Restore(sandbox.Fault{Kind: sandbox.RoleDenied}); err == nil || len(r.On()) > 0 {
		t.Errorf("a fault that is not on was restored: %v, %v", err, r.On())
	}
}

// TestInventedAPIAnswersWhatTheJobExpects: a user's own rules need no stub of theirs.
func TestInventedAPIAnswersWhatTheJobExpects(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"Empty": `Call: 'DELETE https://api.example.com/v1/empty', Expect: '{"status":[204]}'`,
		"Class": `Call: 'GET https://api.example.com/v1/class', Expect: '{"status":["2xx"],"contentType":"text/csv"}'`,
		"Nested": `Call: 'GET https://api.example.com/v1/{{scheduledDate}}/x?a=b', ` +
			`Expect: '{"json":{"/a/0/b":[true,null],"/c~1d":"e"}}'`,
	}
	text := shipped.Template()
	for name, row := range rows {
		text = strings.Replace(text, "    HourlySync: {", "    "+name+": { Schedule: rate(1 hour), Token: ExampleApi, "+
			"SilentAfter: 3, "+row+" }\n    HourlySync: {", 1)
		text = strings.Replace(text, "[DailyReport, ", "[DailyReport, "+name+", ", 1)
	}
	r := begin(t, text, sandbox.Options{})
	r.pass(10 * time.Minute)
	ran := map[string]string{}
	for _, e := range r.events {
		if e.Kind == sandbox.KindRun {
			ran[e.Job] = e.Outcome + " " + e.Text
		}
	}
	for name := range rows {
		if ran[name] != "succeeded " {
			t.Errorf("%s: %s", name, ran[name])
		}
	}
}

// TestStepStopsAtWhatAPersonSees: it is how `dev` lets someone look at each event.
func TestStepStopsAtWhatAPersonSees(t *testing.T) {
	t.Parallel()
	r := begin(t, "", sandbox.Options{})
	until := start.Add(3 * time.Hour)
	var jobs []string
	for r.Now().Before(until) {
		n := len(r.events)
		if err := r.Step(t.Context(), until); err != nil {
			t.Fatal(err)
		}
		for _, e := range r.events[n:] {
			if e.Kind == sandbox.KindRun {
				jobs = append(jobs, e.Job)
			}
		}
	}
	if got := len(jobs); got != 4 || jobs[0] != "HourlySync" {
		t.Errorf("runs: %v", jobs)
	}
}

// TestTargetReceivesTheRequests: a user's own endpoint takes the place of the API, with their own secret, and faults
// still happen. An endpoint that is down is unreachable.
func TestTargetReceivesTheRequests(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	good, paths := "fake-token-of-the-user", map[string]bool{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths[q.Method+" "+q.URL.Path] = true
		if q.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, "", sandbox.Options{Target: target, Secrets: map[string]string{token: good}})
	expect := func(what, outcome string) {
		t.Helper()
		n := len(r.events)
		r.pass(time.Hour)
		if got := r.outcomes(n); !slices.Equal(got, []string{outcome}) {
			t.Errorf("%s: %v, want %s", what, got, outcome)
		}
	}
	expect("the user's token", "succeeded")
	mu.Lock()
	good = "fake-token-of-tomorrow"
	mu.Unlock()
	expect("the endpoint wants another one", "token_rejected")
	if err := r.Store(token, "fake-token-of-tomorrow"); err != nil {
		t.Fatal(err)
	}
	expect("that one is stored", "succeeded")
	broken := sandbox.Fault{Kind: sandbox.ServerError, Name: host}
	r.apply(broken)
	expect("a fault", "target_failed")
	if err := r.Restore(broken); err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(sandbox.Fault{Kind: sandbox.Kill, Name: token}); err == nil {
		t.Error("a token of the user's own was killed")
	}
	server.Close()
	expect("the endpoint is down", "unreachable")
	mu.Lock()
	defer mu.Unlock()
	if !paths["GET /v1/sync"] || !paths["POST /v1/reports"] {
		t.Errorf("requests: %v", paths)
	}
	r.hidesSecrets()
}

// TestOwnSecretWithoutTarget: the invented API takes the user's token as it is.
func TestOwnSecretWithoutTarget(t *testing.T) {
	t.Parallel()
	r := begin(t, "", sandbox.Options{Secrets: map[string]string{token: "fake-token-of-the-user"}})
	r.pass(time.Hour)
	if got := r.outcomes(0); !slices.Equal(got, []string{"succeeded"}) {
		t.Errorf("outcomes: %v", got)
	}
}

// TestTokenReplacedByAnotherCommandIsAccepted, whatever it is, until it is killed too: whoever follows a runbook with
// token set --local recovers. The value that died stays dead.
func TestTokenReplacedByAnotherCommandIsAccepted(t *testing.T) {
	t.Parallel()
	r := begin(t, "", sandbox.Options{})
	kill := sandbox.Fault{Kind: sandbox.Kill, Name: token}
	set := func(text string) {
		t.Helper()
		if _, err := r.Secrets.Put(r.SecretID(secret), text); err != nil {
			t.Fatal(err)
		}
	}
	died, _ := r.Secrets.Value(r.SecretID(secret), "AWSCURRENT")
	for _, step := range []struct {
		name string
		do   func()
		want string
		on   bool
	}{
		{name: "killed", do: func() { r.apply(kill) }, want: "token_rejected", on: true},
		{name: "the same again", do: func() { set(died) }, want: "token_rejected", on: true},
		{name: "a new one", do: func() { set("of-another-command-0001") }, want: "succeeded"},
		{name: "killed too", do: func() { r.apply(kill) }, want: "token_rejected", on: true},
		{name: "in JSON", do: func() { set(`{"token":"of-another-command-0002"}`) }, want: "succeeded"},
	} {
		step.do()
		since := len(r.events)
		r.pass(time.Hour)
		got := r.outcomes(since)
		if len(got) == 0 || got[len(got)-1] != step.want || slices.Contains(r.On(), kill) != step.on {
			t.Errorf("%s: outcomes %v, want %s; faults that are on: %v", step.name, got, step.want, r.On())
		}
	}
}
