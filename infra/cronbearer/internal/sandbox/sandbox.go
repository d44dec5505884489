// Package sandbox runs a user's own application on this machine: their template, the real functions, and a model of AWS
// on a virtual clock. It invents what the template does not have: a value for each secret, and an API behind each host
// that answers what the jobs expect. Faults are applied at any moment, and everything that happens comes out as a
// stream of events, without a secret in it. It is what `cronbearer rehearse` and `cronbearer dev` stand on; it prints
// nothing, and it is a model, not AWS.
//
// New deploys. Run lets virtual time pass until a moment, Step until the next event; Apply and Restore switch a fault
// on and off, at any moment or, with At, at a planned one; Store replaces a token; Invoke runs a job outside of its
// schedule. Options.Observe gets each Event, which is also the JSON that the page reads. Jobs, Tokens, On, Readers and
// PassedOver say how things are.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// Options say what is run.
type Options struct {
	Template   string // path
	Stack      string
	Parameters map[string]string
	Start      time.Time // of the virtual clock
	// Binaries by the function's logical id; nil: built from the repository of the template.
	Binaries map[string]string
	// Secrets are values by the token's name; what is not there is invented.
	Secrets map[string]string
	// Renewals of tokens by name, * for all; what is not there is renewed by people.
	Renewals map[string]Renewal
	// Target receives the requests in place of the invented APIs, which faults still answer for; nil: none does.
	Target *url.URL
	// Concurrency is how many runs that are due at one moment run at once.
	Concurrency int
	// Observe is called with each event, one at a time. It must not call the sandbox.
	Observe func(Event)
}

// A Sandbox is one application. Its methods may be called from many goroutines, but only one calls Run or Step.
type Sandbox struct {
	*awssim.Cloud

	options Options
	jobs    []Job
	tokens  map[string]*Token

	observing sync.Mutex // one event at a time

	mu     sync.Mutex
	undo   map[Fault]func() // faults that are on
	broken []Fault          // those of hosts among them, the latest last
	killed map[string]bool  // values of tokens that no API accepts again
	events int
	dir    string // of what was built; empty: nothing
}

// A Job of the template.
type Job struct {
	Name, Token, Host string
	Schedule          string
	Timezone          string
	Disabled          bool

	method, path string
	answer       upstream.Answer
}

// A Token of the template, with the value that stands for it here.
type Token struct {
	Name, Secret string

	key     string // of the Mapping: where in the secret the token stands
	value   string
	made    int         // values so far
	given   atomic.Bool // its secret is the user's own, which the invented APIs accept as it is
	renewal Renewal
	login   *login // nil: it is renewed by people
	rotates bool
	dead    atomic.Bool // its client is revoked
	text    string      // what the sandbox stored last
	killed  string      // what the secret held when it was killed
}

// New deploys the template. Close ends everything.
func New(ctx context.Context, o Options) (_ *Sandbox, err error) {
	s := &Sandbox{options: o, tokens: map[string]*Token{}, undo: map[Fault]func(){}, killed: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	binaries := o.Binaries
	if binaries == nil {
		if binaries, err = s.build(ctx); err != nil {
			return nil, err
		}
	}
	s.Cloud, err = awssim.New(awssim.Options{
		Template: o.Template, StackName: o.Stack, Parameters: o.Parameters, Binaries: binaries, Start: o.Start,
		PassOver:    true,
		Concurrency: o.Concurrency, Observe: s.observe, IdleLife: idleLife,
	})
	if err != nil {
		return nil, err
	}
	s.readJobs()
	return s, s.storeTokens()
}

// idleLife ends environments that have had no work for a while, as Lambda does: a template of fifty jobs would leave as
// many.
const idleLife = 15 * time.Minute

// Close ends the functions and removes what was built.
func (s *Sandbox) Close() error {
	var err error
	if s.Cloud != nil {
		err = s.Cloud.Close()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// build builds the functions.
func (s *Sandbox) build(ctx context.Context) (map[string]string, error) {
	functions, err := above(s.options.Template, "functions")
	if err != nil {
		return nil, err
	}
	mains, err := filepath.Glob(filepath.Join(functions, "*", "main.go"))
	if err != nil || len(mains) == 0 {
		return nil, fmt.Errorf("%s has no functions: run it in your copy of the repository", functions)
	}
	if s.dir, err = os.MkdirTemp("", "cronbearer-sandbox-"); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	binaries := map[string]string{}
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		id := strings.ToUpper(name[:1]) + name[1:]
		binaries[id] = filepath.Join(s.dir, name)
		program := gobuild.Program{Dir: filepath.Dir(functions), Package: "./functions/" + name}
		if err := program.To(ctx, binaries[id]); err != nil {
			return nil, err
		}
	}
	return binaries, nil
}

// Jobs returns the jobs by name.
func (s *Sandbox) Jobs() []Job { return slices.Clone(s.jobs) }

// Tokens returns the names of the tokens that jobs use, in order.
func (s *Sandbox) Tokens() []string { return slices.Sorted(maps.Keys(s.tokens)) }

func (s *Sandbox) readJobs() {
	for _, r := range s.Stack.OfType("AWS::Scheduler::Schedule") {
		j, secret, key, ok := parseJob(r)
		if !ok {
			continue
		}
		s.jobs = append(s.jobs, j)
		if s.tokens[j.Token] == nil {
			s.tokens[j.Token] = &Token{Name: j.Token, Secret: secret, key: key, renewal: s.renewal(j.Token)}
		}
	}
	slices.SortFunc(s.jobs, func(a, b Job) int { return strings.Compare(a.Name, b.Name) })
	for _, host := range s.Hosts() {
		if target := s.Target(host); target != nil {
			target.AnswerBy(s.answer(host))
			target.Rule(s.rule(host))
			if s.options.Target != nil {
				target.Forward(proxy(s.options.Target))
			}
		}
	}
}

// Hosts returns the hosts that the jobs call.
func (s *Sandbox) Hosts() []string {
	var hosts []string
	for _, j := range s.jobs {
		if j.Host != "" && !slices.Contains(hosts, j.Host) {
			hosts = append(hosts, j.Host)
		}
	}
	return hosts
}

// storeTokens gives each secret its first value. Tokens that share a secret share its value.
func (s *Sandbox) storeTokens() error {
	for name := range s.options.Renewals {
		if _, err := s.token(name); err != nil && name != "*" {
			return err
		}
	}
	bySecret := map[string]*Token{}
	for _, name := range s.Tokens() {
		t := s.tokens[name]
		if first, ok := bySecret[t.Secret]; ok {
			s.tokens[name] = first
			continue
		}
		bySecret[t.Secret] = t
		if err := s.firstValue(t); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) firstValue(t *Token) error {
	if t.renewal != "" {
		if err := s.addLogin(t); err != nil {
			return err
		}
	}
	if err := s.store(t); err != nil {
		return err
	}
	if t.renewal == Rotated {
		return s.rotate(t)
	}
	return nil
}

// store gives a token a new value, which its APIs accept.
func (s *Sandbox) store(t *Token) error {
	s.mu.Lock()
	text, ok := s.options.Secrets[t.Name]
	s.mu.Unlock()
	if ok {
		t.given.Store(true)
		_, err := s.PutSecret(t.Secret, text)
		return err
	}
	t.dead.Store(false)
	if t.login != nil {
		return s.authorize(t)
	}
	t.made++
	t.value = fmt.Sprintf("sandbox-token-%s-%04d", strings.ToLower(t.Name), t.made)
	for _, host := range s.Hosts() {
		s.Target(host).Accept(t.value)
	}
	text = secretText(t.key, t.value)
	s.mu.Lock()
	t.text = s.Local(text)
	s.mu.Unlock()
	_, err := s.PutSecret(t.Secret, text)
	return err
}

// replaced reports whether someone has put another text into the secret than the sandbox, and not the one that was
// killed, as `cronbearer token set --local` does. The invented APIs take what it holds for a new token of theirs.
func (s *Sandbox) replaced(t *Token) (text string, yes bool) {
	if t.login != nil || t.given.Load() {
		return "", false
	}
	text, ok := s.Secrets.Value(s.SecretID(t.Secret), "AWSCURRENT")
	s.mu.Lock()
	defer s.mu.Unlock()
	return text, ok && text != t.text && text != t.killed
}

// Store replaces the value of a token's secret by the user's own text, or by a new invented one if it is empty.
func (s *Sandbox) Store(name, text string) error {
	t, err := s.token(name)
	if err != nil {
		return err
	}
	if text != "" {
		s.mu.Lock()
		if s.options.Secrets == nil {
			s.options.Secrets = map[string]string{}
		}
		s.options.Secrets[t.Name] = text
		s.mu.Unlock()
	}
	if err := s.store(t); err != nil {
		return err
	}
	s.note(Event{Kind: KindFault, Token: name, Text: "a new token is stored"})
	return nil
}

// An UnknownTokenError names a token that no job uses.
type UnknownTokenError struct {
	Name  string
	Known []string
}

func (e *UnknownTokenError) Error() string {
	return fmt.Sprintf("no job uses a token %q; there are %s", e.Name, orNone(e.Known))
}

func (s *Sandbox) token(name string) (*Token, error) {
	if t := s.tokens[name]; t != nil {
		return t, nil
	}
	return nil, &UnknownTokenError{name, s.Tokens()}
}

func (s *Sandbox) renewal(token string) Renewal {
	return cmp.Or(s.options.Renewals[token], s.options.Renewals["*"])
}

// Sharing returns the tokens, this one among them, that have one secret.
func (s *Sandbox) Sharing(name string) []string {
	return slices.DeleteFunc(s.Tokens(), func(other string) bool { return s.tokens[other] != s.tokens[name] })
}

// Readers returns who is subscribed to the topics and has confirmed it.
func (s *Sandbox) Readers() []string {
	var readers []string
	for _, arn := range s.Topics() {
		for _, one := range s.Topic(arn).Subscriptions() {
			if !one.Unconfirmed && !slices.Contains(readers, one.Endpoint) {
				readers = append(readers, one.Endpoint)
			}
		}
	}
	return readers
}

// Step lets time pass until the next event that a user sees, or until a moment.
func (s *Sandbox) Step(ctx context.Context, until time.Time) error {
	s.mu.Lock()
	before := s.events
	s.mu.Unlock()
	for s.Now().Before(until) {
		if err := s.Run(ctx, s.Now().Add(time.Minute)); err != nil {
			return err
		}
		s.mu.Lock()
		happened := s.events != before
		s.mu.Unlock()
		if happened {
			return nil
		}
	}
	return nil
}
