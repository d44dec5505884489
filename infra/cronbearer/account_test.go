package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/cli"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/view"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// A row is one way to use a command that needs an account, at a stack where it succeeds.
type row struct {
	command string
	args    []string
	// yes answers what the command asks; nil: it asks nothing.
	yes []string
	// prepare makes the state in which the command succeeds, before each run of it.
	prepare func(*testing.T, *stage)
	// partial: what cannot be read of the stack is `?`, with the reason, and the rest is there.
	partial bool
	// bare: no secret is stored.
	bare bool
	// fresh: each run needs an account of its own.
	fresh bool
	// courtesy is an action whose failure spoils nothing: it is remarked, and the answer stands.
	courtesy string
}

// rows has each command that needs an account at least once; together the rows of a command use each action of its
// policy.
func rows() map[string]row {
	token := []string{"token", "set", "ExampleApi", "--file", "token.txt"}
	return map[string]row{
		"status":   {command: "status", partial: true},
		"runs":     {command: "runs"},
		"run":      {command: "run", args: []string{"HourlySync"}},
		"backfill": {command: "backfill", args: []string{"HourlySync", "--from", "-2h"}, yes: []string{"--yes"}},
		"failed":   {command: "failed", prepare: rejectedRun, courtesy: "sqs:ChangeMessageVisibility"},
		"resend":   {command: "resend", prepare: rejectedRun},
		"drop":     {command: "drop", args: []string{"HourlySync"}, yes: []string{"--yes"}, prepare: rejectedRun},
		"pause":    {command: "pause", args: []string{"HourlySync"}, prepare: after("resume", "HourlySync")},
		"resume":   {command: "resume", args: []string{"HourlySync"}, prepare: after("pause", "HourlySync")},
		"drill":    {command: "drill", yes: []string{"--yes"}},
		"drill, its word": {
			command: "drill", args: []string{"--confirm", "otter"}, prepare: after("drill", "--yes"),
		},
		"token set": {
			command: "token set", args: token[2:], yes: []string{"--yes", "--try", "HourlySync"},
			prepare: func(_ *testing.T, s *stage) { s.cloud.Target("api.example.com").Accept(typed) },
		},
		"token set, a new secret": {
			command: "token set", args: token[2:], yes: []string{"--yes"}, bare: true, fresh: true,
		},
		"token show":   {command: "token show", args: []string{"ExampleApi"}},
		"token users":  {command: "token users", args: []string{"ExampleApi"}},
		"all stacks":   {command: rights.AllStacks, partial: true},
		"a job's":      {command: "status", args: []string{"HourlySync"}, partial: true},
		"import":       {command: "import", args: []string{"eventbridge", "--dry"}, prepare: addRule},
		"token rotate": {command: "token rotate", args: []string{"ExampleApi"}, fresh: true, prepare: enableRotation},
	}
}

// typed is the token that is stored.
const typed = "fake-token-canary-0123456789"

// after prepares a run by another one.
func after(arguments ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		t.Helper()
		s.run(t, arguments...)
	}
}

func rejectedRun(t *testing.T, s *stage) {
	t.Helper()
	s.cloud.Target("api.example.com").Revoke(tokenOf("example-api"))
	s.advance(t, time.Hour)
	s.cloud.Target("api.example.com").Accept(tokenOf("example-api"))
}

// addRule puts a rule with an API destination into the account, as someone has them who moves in.
func addRule(_ *testing.T, s *stage) {
	destination, connection := "arn:aws:events:eu-west-1:123456789012:api-destination/d/1", aws.String("arn:connection")
	s.server.Rules = local.Rules{
		Rules: []types.Rule{
			{Name: aws.String("nightly"), ScheduleExpression: aws.String("rate(1 day)"), State: types.RuleStateEnabled},
			{Name: aws.String("uploads"), EventPattern: aws.String("{}"), State: types.RuleStateEnabled},
		},
		Targets: map[string][]types.Target{"nightly": {{Arn: &destination, Id: aws.String("1")}}},
		ApiDestinations: []types.ApiDestination{{
			ApiDestinationArn: &destination, ConnectionArn: connection, HttpMethod: types.ApiDestinationHttpMethodGet,
			InvocationEndpoint: aws.String("https://crm.example.net/v1/nightly"),
		}},
		Connections: []eventbridge.DescribeConnectionOutput{{
			Name: aws.String("crm"), ConnectionArn: connection, AuthorizationType: types.ConnectionAuthorizationTypeApiKey,
			AuthParameters: &types.ConnectionAuthResponseParameters{
				ApiKeyAuthParameters: &types.ConnectionApiKeyAuthResponseParameters{ApiKeyName: aws.String("X-Api-Key")},
			},
		}},
	}
}

// TestImportReadsTheRulesOfAnAccount: what the SDK returns is read as what the AWS CLI prints.
func TestImportReadsTheRulesOfAnAccount(t *testing.T) {
	t.Parallel()
	s := newStage(t, true)
	addRule(t, s)
	e := s.run(t, "import", "eventbridge")
	const job = "Nightly\trate(1 day)\tUTC\tGET https://crm.example.net/v1/nightly\tCrm"
	if e.status != exit.OK || !strings.Contains(e.out, job) {
		t.Errorf("exit code %d:\n%s%s", e.status, e.out, e.errs)
	}
	if e := s.run(t, "import", "eventbridge"); e.status != exit.No || !strings.Contains(e.out, "the template has it") {
		t.Errorf("a second time: exit code %d:\n%s%s", e.status, e.out, e.errs)
	}
	if e := s.run(t, "import", "crontab"); e.status != exit.Usage {
		t.Errorf("crontab without a file: exit code %d:\n%s%s", e.status, e.out, e.errs)
	}
}

func enableRotation(t *testing.T, s *stage) {
	t.Helper()
	arn, _ := s.cloud.Stack.Outputs["RotatorArn"].(string)
	if err := s.cloud.Secrets.EnableRotation(s.cloud.SecretID("example-api"), arn); err != nil {
		t.Fatal(err)
	}
}

// A stage is a simulated account, and a folder with the template.
type stage struct {
	cloud  *awssim.Cloud
	server *local.Server
	url    string
	folder string
	// as is the command whose policy the commands have; empty: each its own.
	as string
}

func newStage(t *testing.T, bare bool) *stage {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	built, err := functions(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{folder: t.TempDir()}
	for name, text := range map[string]string{"template.yaml": shipped.Template(), "token.txt": typed + "\n"} {
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	s.cloud, err = awssim.New(awssim.Options{
		Template: filepath.Join(s.folder, "template.yaml"), Binaries: built, Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server = local.NewServer(s.cloud)
	http := httptest.NewServer(s.server)
	s.url = http.URL
	t.Cleanup(func() {
		collect(s.server.Calls())
		http.Close()
		_ = s.cloud.Close() // the test is over
	})
	if bare {
		return s
	}
	if _, err := s.cloud.PutSecret("example-api", tokenOf("example-api")); err != nil {
		t.Fatal(err)
	}
	s.cloud.Target("api.example.com").Accept(tokenOf("example-api"))
	s.advance(t, 3*time.Hour)
	return s
}

func (s *stage) advance(t *testing.T, d time.Duration) {
	t.Helper()
	if err := s.cloud.Advance(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

// closed is a standard input that is closed.
type closed struct{}

func (closed) Read([]byte) (int, error) { return 0, os.ErrClosed }

// An ending is how a command went.
type ending struct {
	status    int
	out, errs string
}

// run runs a command in this process as at the end of a pipe, with a standard input that is closed.
func (s *stage) run(t *testing.T, arguments ...string) ending {
	t.Helper()
	return s.runIn(t.Context(), arguments...)
}

func (s *stage) runIn(ctx context.Context, arguments ...string) ending {
	var out, errs bytes.Buffer
	a := cli.System()
	a.IO = &view.IO{In: closed{}, Out: &out, Err: &errs, Width: view.DefaultWidth, Zone: time.UTC}
	a.Getenv = func(name string) string {
		return map[string]string{"CRONBEARER_LOCAL": s.url, "CRONBEARER_TEST_WORD": "otter"}[name]
	}
	if s.as != "" {
		a.Dial = func(ctx context.Context, _ cli.AccountOptions, _ string) (account.Clients, error) {
			return local.Dial(ctx, s.url, s.as)
		}
	}
	arguments = slices.Clone(arguments)
	for i, word := range arguments {
		if strings.HasSuffix(word, ".txt") || strings.HasSuffix(word, ".json") {
			arguments[i] = filepath.Join(s.folder, word)
		}
	}
	arguments = append(arguments, "-t", filepath.Join(s.folder, "template.yaml"))
	status := cli.Main(ctx, arguments, a)
	return ending{status, out.String(), errs.String()}
}

// accountCommands returns the commands of the tool that need an account.
func accountCommands() []string {
	var names []string
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Flags().Lookup("profile") != nil {
			names = append(names, strings.TrimPrefix(c.CommandPath(), "cronbearer "))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.Root(cli.System()))
	return names
}

// TestEveryCommandOfAnAccount runs each command that needs an account, with exactly the policy that it has in the table
// of rights, in everything that an account can do to it: each action denied and throttled, credentials that have
// expired, no stack, nothing of that name, no one to ask, an interrupt; piped, and with --json.
func TestEveryCommandOfAnAccount(t *testing.T) {
	t.Parallel()
	covered := map[string]map[string]bool{}
	all := rows()
	results := make(chan [2]string, 1000) //nolint:mnd // more than there are actions
	t.Run("rows", func(t *testing.T) {
		for name, r := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, action := range r.check(t) {
					results <- [2]string{r.command, action}
				}
			})
		}
	})
	close(results)
	for one := range results {
		if covered[one[0]] == nil {
			covered[one[0]] = map[string]bool{}
		}
		covered[one[0]][one[1]] = true
	}
	for _, command := range append(accountCommands(), rights.AllStacks) {
		if covered[command] == nil {
			t.Errorf("no row runs cronbearer %s", command)
		}
		for _, p := range rights.Of(command) {
			if !within[p.Action] && !covered[command][p.Action] {
				t.Errorf("no row of cronbearer %s uses %s, which its policy grants", command, p.Action)
			}
		}
	}
}

// TestTokenUsersWithoutRightsBeyondTheStack: the stack's own users are shown, and that the others are not known.
func TestTokenUsersWithoutRightsBeyondTheStack(t *testing.T) {
	t.Parallel()
	s := newStage(t, false)
	s.as = "token show"
	e := s.run(t, "token", "users", "ExampleApi")
	if e.status != exit.OK || !strings.Contains(e.out, "cronbearer\tExampleApi\tHourlySync\n") ||
		!strings.Contains(e.errs, "? other stacks: Not allowed: cloudformation:DescribeStacks on every stack") ||
		!strings.Contains(strings.Join(strings.Fields(e.errs), " "), "cronbearer rights token users") {
		t.Errorf("exit code %d:\n%s%s", e.status, e.out, e.errs)
	}
	if e := s.run(t, "status", "--all-stacks"); e.status != exit.AWS || !strings.Contains(e.errs, rights.AllStacks) {
		t.Errorf("status: exit code %d:\n%s%s", e.status, e.out, e.errs)
	}
}

// line is the command line of a row.
func (r row) line(more ...string) []string {
	return slices.Concat(strings.Fields(r.command), r.args, more)
}

// check runs a row in each state and returns the permissions that it used.
func (r row) check(t *testing.T) []string {
	t.Helper()
	s := newStage(t, r.bare)
	stages := []*stage{s}
	ready := func() *stage {
		if r.fresh {
			s = newStage(t, r.bare)
			stages = append(stages, s)
		}
		s.server.Faults.Clear()
		if r.prepare != nil {
			r.prepare(t, s)
		}
		return s
	}
	before := len(ready().server.Calls())
	done := s.run(t, r.line(r.yes...)...)
	var used []string
	for _, call := range s.server.Calls()[before:] {
		if call.Command != r.command {
			t.Errorf("%s calls AWS as %q", r.command, call.Command)
		}
		if call.Rejected == "" && call.Action != "local:About" {
			used = append(used, call.Action)
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)
	r.succeeded(t, "piped", done)

	r.document(t, ready().run(t, r.line(append(r.yes, "--json")...)...))
	r.unanswered(t, ready)
	r.absent(t, ready())
	r.interrupted(t, ready())
	for _, action := range used {
		r.faulty(t, ready, action, api.Denied, "AccessDenied", "Not allowed: "+local.Permission(action))
		r.faulty(t, ready, action, api.Throttled, "Throttled", "AWS throttled "+local.Permission(action))
	}
	r.faulty(t, ready, used[0], api.Expired, "NoCredentials", "the AWS credentials have expired or are not valid")
	permissions := map[string]bool{}
	for _, one := range stages {
		for _, call := range one.server.Calls() { // the policy also has what is needed to end without an answer
			if call.Command == r.command && call.Rejected == "" {
				permissions[local.Permission(call.Action)] = true
			}
		}
	}
	return slices.Collect(maps.Keys(permissions))
}

// clean holds what no output of a command may have: a secret, colours, a question.
func (r row) clean(t *testing.T, state string, e ending) {
	t.Helper()
	for _, text := range []string{typed, tokenOf("example-api"), "\x1b", "[y/N]", "[Y/n]", "panic"} {
		if strings.Contains(e.out+e.errs, text) {
			t.Errorf("%s: the output has %q:\n%s%s", state, text, e.out, e.errs)
		}
	}
}

func (r row) succeeded(t *testing.T, state string, e ending) {
	t.Helper()
	r.clean(t, state, e)
	if e.status != exit.OK {
		t.Errorf("%s: exit code %d:\n%s%s", state, e.status, e.out, e.errs)
	}
}

// schemaOf is the file of a command's schema.
func schemaOf(command string) string { return strings.ReplaceAll(command, " ", "-") + ".json" }

// document holds the output of --json: one document that its schema describes, and nothing else.
func (r row) document(t *testing.T, e ending) {
	t.Helper()
	r.succeeded(t, "--json", e)
	if e.errs != "" {
		t.Errorf("--json: standard error has %q", e.errs)
	}
	name := schemaOf(r.command)
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "cli", "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(e.out))
	var document any
	if err := errors.Join(decoder.Decode(&document), schema.Validate(document)); err != nil {
		t.Errorf("--json: %v:\n%s", err, e.out)
	}
	if decoder.More() {
		t.Errorf("--json: more than one document:\n%s", e.out)
	}
}

// unanswered: what would ask and has no one to ask does nothing, and names the flag.
func (r row) unanswered(t *testing.T, ready func() *stage) {
	t.Helper()
	if r.yes == nil {
		return
	}
	for _, more := range [][]string{nil, {"--json"}} {
		e := ready().run(t, r.line(more...)...)
		r.clean(t, "no one to ask", e)
		if e.status != exit.Declined || !strings.Contains(e.errs, r.yes[0]) {
			t.Errorf("no one to ask: exit code %d, want 4, and standard error does not name %s:\n%s%s", e.status, r.yes[0],
				e.out, e.errs)
		}
	}
}

// absent: no such stack, and no such job or token in it.
func (r row) absent(t *testing.T, s *stage) {
	t.Helper()
	s.server.Unlimited.Store(true)
	defer s.server.Unlimited.Store(false)
	if r.command == rights.AllStacks || r.command == "import" {
		return // they look for any
	}
	elsewhere := r.line(append(r.yes, "--stack", "nonsense")...)
	r.failed(t, "no stack", s.run(t, elsewhere...), exit.AWS, "there is no stack")
	r.failure(t, "no stack", s.run(t, append(elsewhere, "--json")...), exit.AWS, "NoStack", "")
	if len(r.args) == 0 || strings.HasPrefix(r.args[0], "-") {
		return
	}
	other := r
	other.args = append([]string{"Nonsense"}, r.args[1:]...)
	kind := "job"
	if strings.HasPrefix(r.command, "token ") {
		kind = "token"
	}
	if e := s.run(t, other.line(r.yes...)...); r.command != "drop" { // which knows what is kept, not what there is
		r.failed(t, "no "+kind, e, exit.No, kind)
	}
}

// interrupted: the code of an interrupt, and no other error.
func (r row) interrupted(t *testing.T, s *stage) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.failed(t, "interrupted", s.runIn(ctx, r.line(r.yes...)...), exit.Interrupted, "interrupted")
}

// faulty: one action is rejected. What was rejected and who grants it is said, to people and to programs.
func (r row) faulty(
	t *testing.T, ready func() *stage, action string, fault api.Fault, code, text string,
) {
	t.Helper()
	_, operation, _ := strings.Cut(action, ":")
	state := action + " " + code
	set := func() *stage {
		s := ready()
		s.server.Faults.Set(operation, "", fault)
		return s
	}
	defer func() { ready().server.Faults.Clear() }()
	e := set().run(t, r.line(r.yes...)...)
	if r.partial && e.status == exit.OK {
		for _, one := range []ending{e, set().run(t, r.line("--json")...)} {
			r.succeeded(t, state, one)
			if !strings.Contains(strings.Join(strings.Fields(one.out+one.errs), " "), text) {
				t.Errorf("%s: what is unknown is not said:\n%s%s", state, one.out, one.errs)
			}
		}
		return
	}
	if action == r.courtesy {
		r.failed(t, state, e, exit.OK, text)
		return
	}
	r.failed(t, state, e, exit.AWS, text)
	if code == "AccessDenied" && !strings.Contains(e.errs, "cronbearer rights "+r.command) {
		t.Errorf("%s: the policy is not named:\n%s", state, e.errs)
	}
	permission := local.Permission(action)
	if code == "NoCredentials" {
		permission = ""
	}
	r.failure(t, state, set().run(t, r.line(append(r.yes, "--json")...)...), exit.AWS, code, permission)
}

// failed holds a command's end for people.
func (r row) failed(t *testing.T, state string, e ending, status int, text string) {
	t.Helper()
	r.clean(t, state, e)
	words := strings.Join(strings.Fields(e.errs), " ") // it is wrapped
	if e.status != status || !strings.Contains(words, text) {
		t.Errorf("%s: exit code %d, want %d with %q:\n%s%s", state, e.status, status, text, e.out, e.errs)
	}
}

// failure holds a command's end for programs: one document on standard error.
func (r row) failure(t *testing.T, state string, e ending, status int, code, action string) {
	t.Helper()
	r.clean(t, state+" --json", e)
	var document struct {
		Error struct{ Code, Action, Message string }
	}
	decoder := json.NewDecoder(strings.NewReader(e.errs))
	if err := decoder.Decode(&document); err != nil || decoder.More() {
		t.Errorf("%s --json: standard error is not one document: %v\n%s", state, err, e.errs)
	}
	if got := document.Error; e.status != status || got.Code != code || action != "" && got.Action != action ||
		got.Message == "" {
		t.Errorf("%s --json: exit code %d and %+v, want %d, %s, %s\n%s", state, e.status, got, status, code, action, e.out)
	}
}
