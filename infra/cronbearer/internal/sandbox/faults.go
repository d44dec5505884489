package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// A Kind of fault.
type Kind string

// The faults. Those of a token are named with it, those of an API with its host, the others with nothing.
const (
	Kill           Kind = "kill"            // a token: the API rejects it with 401
	Forbidden      Kind = "403"             // a host: the API answers 403
	ServerError    Kind = "500"             // a host: the API answers 500
	Slow           Kind = "slow"            // a host: the API hangs until the run gives up
	SecretDeleted  Kind = "secret-deleted"  // a token: its secret is scheduled for deletion
	RoleDenied     Kind = "role-denied"     // the caller's role may not read secrets
	StartsFail     Kind = "starts-fail"     // Scheduler's deliveries are rejected
	TopicDenied    Kind = "topic-denied"    // the topic's policy lets no one publish
	Unconfirmed    Kind = "unconfirmed"     // an email address: its subscription is not confirmed
	RefreshRevoked Kind = "refresh-revoked" // a token: the rotator's refresh token is revoked
)

// Kinds lists the faults with what they are named with.
func Kinds() map[Kind]string {
	return map[Kind]string{
		Kill: "token", Forbidden: "host", ServerError: "host", Slow: "host", SecretDeleted: "token", RoleDenied: "",
		StartsFail: "", TopicDenied: "", Unconfirmed: "email", RefreshRevoked: "token",
	}
}

// A Fault is one thing that goes wrong.
type Fault struct {
	Kind Kind
	Name string
}

func (f Fault) String() string {
	if f.Name == "" {
		return string(f.Kind)
	}
	return string(f.Kind) + " " + f.Name
}

// Apply switches a fault on. It stays until Restore.
func (s *Sandbox) Apply(f Fault) error {
	if slices.Contains(s.On(), f) {
		return nil
	}
	if Kinds()[f.Kind] == "" && f.Name != "" {
		return fmt.Errorf("%s takes no name", f.Kind)
	}
	undo, text, err := s.apply(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.undo[f] = undo
	s.mu.Unlock()
	s.note(Event{Kind: KindFault, Fault: f.Kind, Token: s.tokenOf(f), Text: text})
	return nil
}

func (s *Sandbox) tokenOf(f Fault) string {
	if Kinds()[f.Kind] == "token" {
		return f.Name
	}
	return ""
}

// On returns the faults that are on. The death of a token is over when someone has replaced it.
func (s *Sandbox) On() []Fault {
	var over []Fault
	for _, name := range s.Tokens() {
		if _, yes := s.replaced(s.tokens[name]); yes {
			over = append(over, Fault{Kind: Kill, Name: name})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Fault
	for f := range s.undo {
		if !slices.Contains(over, f) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Fault) int { return strings.Compare(a.String(), b.String()) })
	return list
}

// Restore switches a fault off. A killed token or refresh token is replaced by a new one, as an operator does.
func (s *Sandbox) Restore(f Fault) error {
	s.mu.Lock()
	undo, on := s.undo[f]
	delete(s.undo, f)
	s.mu.Unlock()
	if !on {
		return fmt.Errorf("%s is not on", f)
	}
	if f.Kind == Kill || f.Kind == RefreshRevoked {
		return s.Store(f.Name, "")
	}
	undo()
	s.note(Event{Kind: KindFault, Fault: f.Kind, Token: s.tokenOf(f), Text: f.String() + " is over"})
	return nil
}

// apply returns how to undo the fault, and what to say of it.
func (s *Sandbox) apply(f Fault) (undo func(), text string, err error) {
	switch f.Kind {
	case Kill:
		return s.kill(f.Name)
	case Forbidden, ServerError, Slow:
		return s.fail(f)
	case SecretDeleted:
		return s.deleteSecret(f.Name)
	case RoleDenied:
		undo, err := s.Forbid("CallerRole", "secretsmanager:GetSecretValue")
		return undo, "the caller's role may not read secrets", err
	case StartsFail:
		s.FailStarts(errors.New("AccessDeniedException: the role may not invoke the caller"), 0)
		return s.ClearStarts, "Scheduler's starts are rejected", nil
	case TopicDenied:
		return s.denyTopic()
	case Unconfirmed:
		return s.unconfirm(f.Name)
	case RefreshRevoked:
		return s.revokeRefresh(f.Name)
	}
	return nil, "", fmt.Errorf("there is no fault %s", f.Kind)
}

func (s *Sandbox) kill(name string) (func(), string, error) {
	t, err := s.token(name)
	if err != nil {
		return nil, "", err
	}
	if t.given.Load() {
		return nil, "", fmt.Errorf("the secret of %s is your own: revoke the token where it comes from", name)
	}
	if t.login != nil {
		return func() {}, name + " dies", s.killRenewed(t)
	}
	text, _ := s.Secrets.Value(s.SecretID(t.Secret), "AWSCURRENT")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed[t.value] = true
	t.killed = text
	return func() {}, name + " dies", nil
}

func (s *Sandbox) fail(f Fault) (func(), string, error) {
	if !slices.Contains(s.Hosts(), f.Name) {
		return nil, "", fmt.Errorf("no job calls a host %s; they call %s", f.Name, strings.Join(s.Hosts(), ", "))
	}
	s.mu.Lock()
	s.broken = append(s.broken, f)
	s.mu.Unlock()
	text := f.Name + " answers " + string(f.Kind)
	if f.Kind == Slow {
		text = f.Name + " does not answer in time"
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = slices.DeleteFunc(s.broken, func(on Fault) bool { return on == f })
	}, text, nil
}

// answers are those of a broken API. The clock of a run's time-out is real, so that a slow API hangs up at once: the
// run meets the same.
var answers = map[Kind]upstream.Answer{
	Forbidden: {Status: http.StatusForbidden, Body: `{"error":"forbidden"}`}, ServerError: upstream.Broken,
	Slow: upstream.HungUp,
}

// rule decides before the tokens are compared: the latest fault of the host, tokens that were killed, and those of
// authorization servers.
func (s *Sandbox) rule(host string) func(upstream.Request) (upstream.Answer, bool) {
	answer := s.answer(host)
	return func(q upstream.Request) (upstream.Answer, bool) {
		s.mu.Lock()
		broken, killed := slices.Clone(s.broken), s.killed[q.Token]
		s.mu.Unlock()
		for _, f := range slices.Backward(broken) {
			if f.Name == host {
				return answers[f.Kind], true
			}
		}
		switch {
		case killed:
			return upstream.Rejected, true
		case s.options.Target == nil && s.valid(q.Token):
			return answer(q), true
		}
		return upstream.Answer{}, false
	}
}

// answer is what an invented API answers to a token that it accepts: what the request's job calls a success.
func (s *Sandbox) answer(host string) func(upstream.Request) upstream.Answer {
	return func(q upstream.Request) upstream.Answer {
		for _, j := range s.jobs {
			if j.Host == host && j.matches(q) {
				return j.answer
			}
		}
		return upstream.OK
	}
}

func (s *Sandbox) deleteSecret(name string) (func(), string, error) {
	t, err := s.token(name)
	if err != nil {
		return nil, "", err
	}
	id := s.SecretID(t.Secret)
	if err := s.Secrets.Delete(id); err != nil {
		return nil, "", err
	}
	return func() { _ = s.Secrets.Restore(id) }, "the secret of " + name + " is deleted", nil // it was there
}

func (s *Sandbox) denyTopic() (func(), string, error) {
	topics := s.Topics()
	if len(topics) == 0 {
		return nil, "", errors.New("the stack has no topic")
	}
	var undo []func()
	for _, arn := range topics {
		undo = append(undo, s.Topic(arn).SetPolicy(iam.Resource{}))
	}
	return func() {
		for _, one := range undo {
			one()
		}
	}, "the topic's policy lets no one publish", nil
}

func (s *Sandbox) unconfirm(email string) (func(), string, error) {
	confirm := func(confirmed bool) bool {
		found := false
		for _, arn := range s.Topics() {
			found = s.Topic(arn).Confirm(email, confirmed) || found
		}
		return found
	}
	if !confirm(false) {
		return nil, "", fmt.Errorf("no subscription of %s; there are %s", email, orNone(s.Readers()))
	}
	return func() { confirm(true) }, email + " has not confirmed its subscription", nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
