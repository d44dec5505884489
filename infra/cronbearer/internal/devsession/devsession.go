// Package devsession is an application that someone plays with: a sandbox whose clock stands still until a command lets
// time pass, which is replaced when its template is saved, and whose secrets follow the user's files. One grammar of
// commands serves the keys, the lines of a script and the page of `cronbearer dev`. It prints nothing.
package devsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/local"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/page"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/render"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/sandbox"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/when"
	"github.com/cronbearer/cronbearer/internal/dev/awssim"
)

// Options say what is played with.
type Options struct {
	Template string
	// Secrets are the user's own files, by the token's name.
	Secrets map[string]string
	// Open deploys the template.
	Open func(ctx context.Context, o sandbox.Options) (*sandbox.Sandbox, error)
	// Check returns the mistakes of the template, a line each.
	Check func() ([]string, error)
	// Event is called with each event, Reloaded after the template was saved, with its mistakes if it has any.
	Event    func(sandbox.Event)
	Reloaded func(mistakes []string)
	// Changed is called when the document has changed.
	Changed func()
}

// A Session is one application. Its methods may be called from many goroutines.
type Session struct {
	options Options

	busy sync.Mutex // one command at a time

	mu       sync.Mutex
	sandbox  *sandbox.Sandbox
	account  *local.Server
	start    time.Time
	events   []sandbox.Event
	mistakes []string
	saved    map[string]time.Time // of the files that are followed
}

// maxEvents bounds what the page shows.
const maxEvents = 5000

// New deploys the template at a time. Close ends everything.
func New(ctx context.Context, o Options, start time.Time) (*Session, error) {
	s := &Session{options: o, start: start, saved: map[string]time.Time{}}
	s.changed(o.Template)
	return s, s.deploy(ctx, start)
}

// Close ends the functions.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sandbox == nil {
		return nil
	}
	return s.sandbox.Close()
}

func (s *Session) deploy(ctx context.Context, at time.Time) error {
	secrets := map[string]string{}
	for token, path := range s.options.Secrets {
		s.changed(path)
		text, err := readSecret(path)
		if err != nil {
			return fmt.Errorf("the secret of %s: %w", token, err)
		}
		secrets[token] = text
	}
	next, err := s.options.Open(ctx, sandbox.Options{Start: at, Secrets: secrets, Observe: s.observe})
	if err != nil {
		return err
	}
	for token := range secrets {
		if !slices.Contains(next.Tokens(), token) {
			return errors.Join(&sandbox.UnknownTokenError{Name: token, Known: next.Tokens()}, next.Close())
		}
	}
	s.mu.Lock()
	before := s.sandbox
	s.sandbox, s.account = next, local.NewServer(next.Cloud)
	s.mu.Unlock()
	if before != nil {
		return before.Close()
	}
	return nil
}

// readSecret reads a secret as `token set` does: without the line break at its end.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	text := strings.TrimRight(string(data), "\r\n")
	if err == nil && text == "" {
		err = errors.New(path + " is empty")
	}
	return text, err
}

// changed reports whether a file was saved since the last time.
func (s *Session) changed(path string) bool {
	info, err := os.Stat(path)
	if err != nil { // an editor replaces the file: the next time it is there
		return false
	}
	before, known := s.saved[path]
	s.saved[path] = info.ModTime()
	return known && !before.Equal(info.ModTime())
}

// observe is the sandbox's.
func (s *Session) observe(e sandbox.Event) {
	s.mu.Lock()
	s.events = append(s.events, e)
	if len(s.events) > maxEvents {
		s.events = slices.Delete(s.events, 0, len(s.events)-maxEvents)
	}
	s.mu.Unlock()
	s.options.Event(e)
	s.options.Changed()
}

// Sandbox returns the one that runs.
func (s *Session) Sandbox() *sandbox.Sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sandbox
}

// ServeHTTP is the simulated account, for the other commands.
func (s *Session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	account := s.account
	s.mu.Unlock()
	account.ServeHTTP(w, r)
	s.options.Changed()
}

// Emails returns the emails so far.
func (s *Session) Emails() []sandbox.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.events), func(e sandbox.Event) bool { return e.Kind != sandbox.KindEmail })
}

// Document is what the page shows.
func (s *Session) Document() page.Document {
	s.mu.Lock()
	d := page.Document{
		Start: s.start, Live: true, Events: slices.Clone(s.events), Mistakes: slices.Clone(s.mistakes),
	}
	box := s.sandbox
	s.mu.Unlock()
	d.Stack, d.Now, d.Jobs = box.Stack.StackName, box.Now(), page.JobsOf(box)
	runs, on := box.Runs(), box.On()
	for _, name := range box.Tokens() {
		_, own := s.options.Secrets[name]
		t := page.Token{Name: name, Own: own, Killed: slices.Contains(on, sandbox.Fault{Kind: sandbox.Kill, Name: name})}
		i := slices.IndexFunc(runs, func(r awssim.Run) bool { return r.Result.Token == name })
		for ; i >= 0 && i < len(runs); i++ {
			if r := runs[i].Result; r.Token == name {
				t.Expires = r.TokenExpiresAt // of the last run
			}
		}
		d.Tokens = append(d.Tokens, t)
	}
	return d
}

// Reload follows the files: a template that was saved is deployed, unless it has mistakes, and a secret is stored.
func (s *Session) Reload(ctx context.Context) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	return s.reload(ctx)
}

func (s *Session) reload(ctx context.Context) error {
	for _, token := range s.Sandbox().Tokens() {
		if path := s.options.Secrets[token]; path != "" && s.changed(path) {
			if err := s.put(token, path); err != nil { //nolint:contextcheck // what it starts ends with the sandbox
				return err
			}
		}
	}
	if !s.changed(s.options.Template) {
		return nil
	}
	mistakes, err := s.options.Check()
	if err == nil && len(mistakes) == 0 {
		err = s.deploy(ctx, s.Sandbox().Now())
	}
	if err != nil {
		mistakes = append(mistakes, err.Error())
	}
	s.mu.Lock()
	s.mistakes = mistakes
	s.mu.Unlock()
	s.options.Reloaded(mistakes)
	s.options.Changed()
	return nil
}

func (s *Session) put(token, path string) error {
	text := ""
	if path == "" {
		path = s.options.Secrets[token]
	}
	if path != "" {
		s.changed(path)
		var err error
		if text, err = readSecret(path); err != nil {
			return fmt.Errorf("the secret of %s: %w", token, err)
		}
	}
	if kill := (sandbox.Fault{Kind: sandbox.Kill, Name: token}); text == "" && slices.Contains(s.Sandbox().On(), kill) {
		return s.Sandbox().Restore(kill)
	}
	return s.Sandbox().Store(token, text)
}

// Help lists the commands, as lines of a script write them.
const Help = `next            until the next event
hour [n]        let an hour pass, or n
advance <time>  let 90m pass, or 3h
day [n]         let a day pass, or n
kill <token>    the API rejects the token from now on
put <token>     store a new token; of --secret, the file again
break <host>    the API answers 500; heal <host> ends it
run <job>       run a job now
emails          print the emails so far
quit            end`

// Do carries a command out. What it does is seen in the events.
func (s *Session) Do(ctx context.Context, line string) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if err := s.reload(ctx); err != nil {
		return err
	}
	defer s.options.Changed()
	verb, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	argument = strings.TrimSpace(argument)
	box := s.Sandbox()
	switch {
	case argument != "":
	case verb == "kill" || verb == "put":
		argument = first(box.Tokens())
	case verb == "break":
		argument = first(box.Hosts())
		if slices.Contains(box.On(), sandbox.Fault{Kind: sandbox.ServerError, Name: argument}) {
			verb = "heal"
		}
	}
	switch verb {
	case "advance":
		d, ok := when.Duration(argument)
		if !ok {
			return fmt.Errorf("%q is not a duration: write 90m, 3h, 7d", argument)
		}
		return box.Advance(ctx, d)
	case "next":
		const horizon = 40 * 24 * time.Hour // longer than a month's job waits
		return box.Step(ctx, box.Now().Add(horizon))
	case "hour":
		return pass(ctx, box, argument, time.Hour)
	case "day":
		return pass(ctx, box, argument, 24*time.Hour)
	case "kill":
		return box.Apply(sandbox.Fault{Kind: sandbox.Kill, Name: argument})
	case "put", "restore":
		return s.put(argument, "") //nolint:contextcheck // what it starts ends with the sandbox
	case "break":
		return box.Apply(sandbox.Fault{Kind: sandbox.ServerError, Name: argument})
	case "heal":
		fault := sandbox.Fault{Kind: sandbox.ServerError, Name: argument}
		return box.Restore(fault) //nolint:contextcheck // what it starts ends with the sandbox
	case "run":
		_, err := Run(ctx, box, argument)
		return err
	}
	return fmt.Errorf("there is no %q; there are:\n%s", verb, Help)
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func pass(ctx context.Context, box *sandbox.Sandbox, argument string, unit time.Duration) error {
	n := 1
	if argument != "" {
		const most = 1000
		var err error
		if n, err = strconv.Atoi(argument); err != nil || n < 1 || n > most {
			return fmt.Errorf("%q is not a number from 1 to %d", argument, most)
		}
	}
	return box.Advance(ctx, time.Duration(n)*unit)
}

// Run runs a job now, with the event that its schedule sends.
func Run(ctx context.Context, box *sandbox.Sandbox, job string) (awssim.Run, error) {
	schedule, err := render.Find(box.Stack, job)
	if err != nil {
		return awssim.Run{}, err
	}
	return box.Invoke(ctx, "Caller", schedule.Event(box.Now()))
}
