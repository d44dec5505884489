// Package replay_test counts what people receive: each alarm of the template fired by its real cause, two days of a
// dead token, reminders that cannot be sent, silences of every kind, and a year of two hundred jobs. Each test logs its
// counts: go test -v ./internal/dev/replay. The world is the local model of AWS on a virtual clock; no test touches an
// alarm's state.
package replay_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

func TestMain(m *testing.M) { os.Exit(awssimtest.Main(m)) }

// The tokens open nothing.
const (
	host     = "api.example.com"
	london   = "Europe/London"
	issuer   = "id.example.com"
	secret   = "example-api"
	first    = "fake-token-of-last-year"
	second   = "fake-token-of-this-year"
	client   = "cronbearer"
	password = "fake-client-secret"
)

// row is one block of the template's Mappings: a name, and the keys in braces.
type row struct{ name, keys string }

// oneToken is the block of Tokens in most tests.
var oneToken = []row{{"ExampleApi", "{ Secret: " + secret + ", WarnDays: 14 }"}}

// job is a block of Jobs.
func job(name, schedule, timezone, path, token string, silentAfter int) row {
	return row{
		name: name,
		keys: fmt.Sprintf(`{ Schedule: "%s", Timezone: %s, Call: "GET https://%s%s", Token: %s, SilentAfter: %d }`,
			schedule, timezone, host, path, token, silentAfter),
	}
}

// mistake is a text of the template, and what is there instead.
type mistake struct{ text, instead string }

// writeTemplate writes the application's template with other tokens and jobs, and with a mistake if there is one.
func writeTemplate(t *testing.T, tokens, jobs []row, m mistake) (path string) {
	t.Helper()
	data, err := os.ReadFile(awssimtest.Template())
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	replace := func(from, to, with string) {
		before, rest, begins := strings.Cut(text, from)
		_, after, ends := strings.Cut(rest, to)
		if !begins || !ends {
			t.Fatalf("the template no longer has %q followed by %q", from, to)
		}
		text = before + from + with + to + after
	}
	rows := func(from, to, list string, rows []row) {
		names, blocks := make([]string, len(rows)), ""
		for i, r := range rows {
			names[i] = r.name
			blocks += "    " + r.name + ": " + r.keys + "\n"
		}
		replace(from, to, blocks)
		replace(list, "]", strings.Join(names, ", "))
	}
	rows("  Tokens:\n", "\n  Jobs:\n", "    - Token\n    - [", tokens)
	rows("\n  Jobs:\n", "\n  # A flexible window", "    - Job\n    - [", jobs)
	if !strings.Contains(text, m.text) {
		t.Fatalf("the template no longer has %q", m.text)
	}
	text = strings.Replace(text, m.text, m.instead, 1)
	path = filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stage is a cloud with an API that accepts the first token, which the secret holds. Each run is one of the real
// binary.
type stage struct {
	*awssim.Cloud

	t    *testing.T
	api  *upstream.Server
	auth *idp.Server

	seen, ran int    // emails and runs that news has returned
	undo      func() // undoes what forbid did
}

func open(t *testing.T, tokens, jobs []row) *stage {
	t.Helper()
	s := &stage{t: t, Cloud: awssimtest.Start(t, awssim.Options{
		Template: writeTemplate(t, tokens, jobs, mistake{}), Binaries: awssimtest.Binaries(t), Seed: 1,
	})}
	s.api = s.Target(host)
	s.api.Accept(first)
	s.put(first)
	return s
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) put(value string) {
	s.t.Helper()
	_, err := s.PutSecret(secret, value)
	s.must(err)
}

func (s *stage) putJSON(value any) {
	s.t.Helper()
	text, err := json.Marshal(value)
	s.must(err)
	s.put(string(text))
}

// putStatic stores a token that expires.
func (s *stage) putStatic(token string, life time.Duration) {
	s.t.Helper()
	s.putJSON(map[string]any{"token": token, "expires_at": s.Now().Add(life).Truncate(time.Hour).Format(time.RFC3339)})
}

func (s *stage) pass(d time.Duration) {
	s.t.Helper()
	s.must(s.Advance(s.t.Context(), d))
}

// fix stores a second token, which the API accepts.
func (s *stage) fix() {
	s.api.Accept(second)
	s.put(second)
}

// forbid denies a role an action until restore.
func (s *stage) forbid(role, action string) {
	s.t.Helper()
	undo, err := s.Forbid(role, action)
	s.must(err)
	s.undo = undo
}

func (s *stage) restore() { s.undo() }

func (s *stage) switchOff(job string, off bool) {
	s.t.Helper()
	s.must(s.SwitchOff("Job"+job, off))
}

// logIn is what a user does in the browser: a new family of tokens, stored as a whole secret.
func (s *stage) logIn() {
	s.t.Helper()
	tokens, err := s.auth.LogIn(client, "")
	s.must(err)
	s.putJSON(map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339), "hosts": []string{host},
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuer + idp.TokenPath, "client_id": client,
			"client_secret": password, "refresh_token": tokens.Refresh,
		},
	})
}

// rotating hands the token to the rotator: infra/rotation.yaml, and an authorization server.
func (s *stage) rotating() {
	s.t.Helper()
	s.auth = idp.New(s.Now)
	s.must(s.auth.Register(idp.Client{
		ID: client, Auth: idp.AuthBasic, Secret: password, Grants: []idp.Grant{idp.RefreshToken},
	}))
	s.must(s.Host(issuer, s.auth))
	s.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, s.auth.Valid(q.Token) })
	s.logIn()
	_, err := s.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), secret, "rate(30 minutes)")
	s.must(err)
}

// endConsent revokes the refresh token that is stored.
func (s *stage) revokeConsent() {
	s.t.Helper()
	text, _ := s.Secrets.Value(s.SecretID(secret), secretsmanager.Current)
	var value struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	s.must(json.Unmarshal([]byte(text), &value))
	if !s.auth.Revoke(value.OAuth2.RefreshToken) {
		s.t.Fatal("the authorization server does not know the stored refresh token")
	}
}

// loseSecond lets the first SetAlarmState through and denies all that follow.
func (s *stage) loseSecond() {
	before := s.CloudWatch.Authorize
	var seen atomic.Int32
	s.CloudWatch.Authorize = func(key string, access api.Access) *api.Error {
		if access.Action == "cloudwatch:SetAlarmState" && seen.Add(1) > 1 {
			return api.Denied.Error
		}
		return before(key, access)
	}
	s.undo = func() { s.CloudWatch.Authorize = before }
}

// rename is what someone does in the console: a copy of the alarm under another name, and the old one deleted.
func (s *stage) rename(name, to string) {
	s.t.Helper()
	found := s.Alarms.Describe([]string{name}, "")
	if len(found) != 1 {
		s.t.Fatalf("there is no alarm %s", name)
	}
	copied := found[0].Alarm
	copied.Name = to
	s.must(s.Alarms.Put(copied, s.Now()))
	s.Alarms.Delete(name)
}

// mailsOf are the emails about an alarm, by its name without the stack's.
func (s *stage) emailsOf(name string) []notify.Email { return s.Emails(s.Stack.StackName + "-" + name) }

// expect checks the state of an alarm and how many emails it has led to.
func (s *stage) expect(when, name string, state alarm.State, emails int) {
	s.t.Helper()
	if got := s.AlarmState(name); got != state {
		s.t.Fatalf("%s: alarm %s is %s, not %s", when, name, got, state)
	}
	if got := s.emailsOf(name); len(got) != emails {
		s.t.Fatalf("%s: alarm %s led to %d emails, not %d: %v", when, name, len(got), emails, kinds(got))
	}
	s.allDelivered()
}

func (s *stage) allDelivered() {
	s.t.Helper()
	for _, undelivered := range s.Undelivered() {
		s.t.Errorf("a message was not delivered: %v", undelivered)
	}
}

// news are the kinds of emails, and how many runs there were, since it was last called.
func (s *stage) news() (emails []string, runs int) {
	all, ran := s.Emails(""), len(s.Runs())
	emails, runs = kinds(all[s.seen:]), ran-s.ran
	s.seen, s.ran = len(all), ran
	return emails, runs
}

func kinds(emails []notify.Email) []string {
	var list []string
	for _, m := range emails {
		list = append(list, kind(m))
	}
	return list
}

// kind summarizes an email: "ALARM cronbearer-FailedRuns", "reminder of cronbearer-TokenRejected-ExampleApi".
func kind(m notify.Email) string {
	switch {
	case strings.Contains(m.Body, "Reminder: token"):
		return "reminder of " + m.Alarm
	case strings.Contains(m.Body, "The silence is over"):
		return "end of " + m.Alarm
	case strings.Contains(m.Body, "has not worked once"):
		return "never worked: " + m.Alarm
	}
	state, _, _ := strings.Cut(m.Subject, ":")
	return state + " " + m.Alarm
}

// counts is how often each thing happened, by its name.
type counts map[string]int

func countOf(list []string) counts {
	c := counts{}
	for _, name := range list {
		c[name]++
	}
	return c
}

// String has a line for each, sorted by name.
func (c counts) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "\n%9d %s", c[name], name)
	}
	return b.String()
}
