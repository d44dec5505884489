package main_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/rights"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
)

// binaries are the functions, built once for the test process, when a script first needs them.
var binaries = struct {
	once sync.Once
	dir  string
	all  map[string]string
	err  error
}{}

// suite removes what the tests built.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir) // in the system's folder for what is temporary
	}
	return code
}

func functions(root string) (map[string]string, error) {
	binaries.once.Do(func() {
		if binaries.dir, binaries.err = os.MkdirTemp("", "cronbearer-tool-"); binaries.err != nil {
			return
		}
		binaries.all = map[string]string{}
		for id, name := range map[string]string{"Caller": "caller", "Rotator": "rotator"} {
			program, err := gobuild.Function(root, name)
			if err == nil {
				binaries.all[id] = filepath.Join(binaries.dir, name)
				err = program.To(context.Background(), binaries.all[id])
			}
			if err != nil {
				binaries.err = err
				return
			}
		}
	})
	return binaries.all, binaries.err
}

// used collects the actions that the commands of all scripts have used, by command.
var used = struct {
	sync.Mutex
	actions map[string]map[string]bool
}{actions: map[string]map[string]bool{}}

func collect(calls []local.Call) {
	used.Lock()
	defer used.Unlock()
	for _, call := range calls {
		if used.actions[call.Command] == nil {
			used.actions[call.Command] = map[string]bool{}
		}
		if call.Rejected == "" {
			used.actions[call.Command][local.Permission(call.Action)] = true
		}
	}
}

// within are permissions for a part of an action: of UpdateSchedule, and of DescribeStacks without a name.
var within = map[string]bool{"iam:PassRole": true, "cloudformation:ListStacks": true}

// unused returns what the table grants to a command that no script has used.
func unused() []string {
	used.Lock()
	defer used.Unlock()
	var list []string
	for _, p := range rights.Table() {
		for _, command := range p.Commands {
			if !within[p.Action] && !used.actions[command][p.Action] {
				list = append(list, command+": "+p.Action)
			}
		}
	}
	slices.Sort(list)
	return list
}

// cloudKey is where a script's simulated account is kept.
const cloudKey = "cloud"

// simulated is the account of one script.
type simulated struct {
	*awssim.Cloud

	server  *local.Server
	issuer  *issuer
	restore func() // what `cloud forbid` took away
}

// tokenOf is the token that the API of a script's account accepts for a secret.
func tokenOf(secret string) string { return "fake-token-of-" + strings.ReplaceAll(secret, "/", "-") }

// cloud is a command of the scripts:
//
//	cloud start [bare]       deploy the script's template.yaml with the real functions; the commands find it.
//	                         bare: no secret is stored
//	cloud rotation SECRET    let the rotator renew a secret
//	cloud join NAME FILE     deploy a template as another stack of the account
//	cloud advance 3h         let time pass: jobs run, alarms are evaluated
//	cloud kill HOST TOKEN    the API of a host rejects a token from now on; accept HOST TOKEN undoes it
//	cloud accept HOST TOKEN  the API of a host accepts a token
//	cloud put SECRET VALUE   store a new version, as someone else does
//	cloud deny OPERATION     deny an operation of the tool, such as GetSchedule; throttle OPERATION and clear likewise
//	cloud unlimited          commands may do everything, not only what their policies say
//	cloud unconfirm EMAIL    the reader has not followed the link yet; confirm EMAIL
//	cloud drilled TIME       there was a drill, and it reached its reader
//	cloud emails             print the subjects of the emails so far
//	cloud bodies             print the bodies of the emails so far
//	cloud calls              print the actions that the tool's commands have used
//
// and, for the walks of the runbooks:
//
//	cloud email ALARM FILE   write the newest email about an alarm, as its reader sees it
//	cloud expect ALARM STATE an alarm is in this state
//	cloud answer HOST STATUS the API of a host answers this to good tokens
//	cloud forbid ROLE ACTION take an action from a role; restore gives it back
//	cloud disable JOB        disable its schedule, as someone does in the console
//	cloud issuer HOST        add an authorization server at id.example.com, whose tokens the API of a host accepts
//	cloud client SECRET      its client has another secret from now on
//	cloud login FILE         authorize there, and write the whole secret of a renewed token
//	cloud revoke SECRET      the refresh token that is stored is revoked
//	cloud renew SECRET EVERY deploy infra/rotation.yaml for a secret
func cloud(root string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: cloud <verb>; see the comment there")
		}
		if args[0] == "start" {
			startCloud(ts, root, len(args) > 1 && args[1] == "bare")
			return
		}
		c, ok := ts.Value(cloudKey).(*holder)
		if !ok || c.simulated == nil {
			ts.Fatalf("cloud start comes first")
		}
		verb, ok := verbs[args[0]]
		if !ok {
			verb, ok = walkVerbs[args[0]]
		}
		if !ok {
			ts.Fatalf("no such verb: %s", args[0])
		}
		ts.Check(verb(ts, c.simulated, args[1:]))
	}
}

// holder is put into the script's environment by Setup, so that `cloud start` can fill it.
type holder struct{ simulated *simulated }

func startCloud(ts *testscript.TestScript, root string, bare bool) {
	built, err := functions(root)
	ts.Check(err)
	start, err := time.Parse(time.RFC3339, now)
	ts.Check(err)
	c, err := awssim.New(awssim.Options{Template: ts.MkAbs("template.yaml"), Binaries: built, Start: start})
	ts.Check(err)
	one := &simulated{Cloud: c, server: local.NewServer(c)}
	server := httptest.NewServer(one.server)
	ts.Defer(func() {
		collect(one.server.Calls())
		server.Close()
		_ = c.Close() // the script is over
	})
	h, _ := ts.Value(cloudKey).(*holder)
	h.simulated = one
	ts.Setenv("CRONBEARER_LOCAL", server.URL)
	for _, properties := range c.Stack.Mappings["Tokens"] {
		secret, ok := properties["Secret"].(string)
		if !ok || bare {
			continue
		}
		_, err := c.PutSecret(secret, tokenOf(secret))
		ts.Check(err)
		for host := range strings.SplitSeq(c.Stack.Values["AllowedHosts"], ",") {
			if target := c.Target(host); target != nil {
				target.Accept(tokenOf(secret))
			}
		}
	}
}

var verbs = map[string]func(*testscript.TestScript, *simulated, []string) error{
	"advance": func(_ *testscript.TestScript, s *simulated, args []string) error {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return s.Advance(context.Background(), d)
	},
	"kill": func(_ *testscript.TestScript, s *simulated, args []string) error {
		s.Target(args[0]).Revoke(args[1])
		return nil
	},
	"accept": func(_ *testscript.TestScript, s *simulated, args []string) error {
		s.Target(args[0]).Accept(args[1])
		return nil
	},
	"put": func(_ *testscript.TestScript, s *simulated, args []string) error {
		_, err := s.PutSecret(args[0], args[1])
		return err
	},
	"join": func(ts *testscript.TestScript, s *simulated, args []string) error {
		start, err := time.Parse(time.RFC3339, now)
		if err != nil {
			return err
		}
		c, err := awssim.New(awssim.Options{
			Template: ts.MkAbs(args[1]), Binaries: binaries.all, Start: start, StackName: args[0],
		})
		if err != nil {
			return err
		}
		ts.Defer(func() { _ = c.Close() }) // the script is over
		s.server.Join(local.NewServer(c))
		return nil
	},
	"rotation": func(_ *testscript.TestScript, s *simulated, args []string) error {
		return s.Secrets.EnableRotation(s.SecretID(args[0]), fmt.Sprint(s.Stack.Outputs["RotatorArn"]))
	},
	"deny": func(_ *testscript.TestScript, s *simulated, args []string) error {
		s.server.Faults.Set(args[0], "", api.Denied)
		return nil
	},
	"throttle": func(_ *testscript.TestScript, s *simulated, args []string) error {
		s.server.Faults.Set(args[0], "", api.Throttled)
		return nil
	},
	"clear": func(_ *testscript.TestScript, s *simulated, _ []string) error {
		s.server.Faults.Clear()
		return nil
	},
	"unlimited": func(_ *testscript.TestScript, s *simulated, _ []string) error {
		s.server.Unlimited.Store(true)
		return nil
	},
	"drilled": func(ts *testscript.TestScript, s *simulated, args []string) error {
		clients, err := local.Dial(context.Background(), ts.Getenv("CRONBEARER_LOCAL"), "drill")
		if err != nil {
			return err
		}
		topic := fmt.Sprint(s.Stack.Outputs["TopicArn"])
		_, err = clients.SNS.TagResource(context.Background(), &sns.TagResourceInput{
			ResourceArn: &topic, Tags: []types.Tag{{Key: aws.String(account.DrillTag), Value: aws.String(args[0] + " ok")}},
		})
		return err
	},
	"unconfirm": func(_ *testscript.TestScript, s *simulated, args []string) error { return s.confirm(args[0], false) },
	"confirm":   func(_ *testscript.TestScript, s *simulated, args []string) error { return s.confirm(args[0], true) },
	"emails": func(ts *testscript.TestScript, s *simulated, _ []string) error {
		for _, email := range s.Emails("") {
			fmt.Fprintln(ts.Stdout(), email.At.UTC().Format(time.RFC3339), email.To, email.Subject)
		}
		return nil
	},
	"bodies": func(ts *testscript.TestScript, s *simulated, _ []string) error {
		for _, email := range s.Emails("") {
			fmt.Fprintln(ts.Stdout(), email.Body)
		}
		return nil
	},
	"calls": func(ts *testscript.TestScript, s *simulated, _ []string) error {
		var lines []string
		for _, call := range s.server.Calls() {
			lines = append(lines, call.Command+": "+call.Action)
		}
		slices.Sort(lines)
		for _, line := range slices.Compact(lines) {
			fmt.Fprintln(ts.Stdout(), line)
		}
		return nil
	},
}

func (s *simulated) confirm(email string, confirmed bool) error {
	found := false
	for _, arn := range s.Topics() {
		found = s.Topic(arn).Confirm(email, confirmed) || found
	}
	if !found {
		return fmt.Errorf("no subscription of %s", email)
	}
	return nil
}
