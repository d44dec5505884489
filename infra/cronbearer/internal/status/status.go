// Package status reads the state of a deployed application: its tokens, its jobs, what waits in the queues, and the
// people who are notified. What could not be read is unknown and named with its reason: nothing is guessed. The report
// ends with the command that helps most. It prints nothing.
package status

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/account"
)

// A Report is the state of a stack at one time. Slices are in the order of their names.
type Report struct {
	At          time.Time    `json:"at"`
	Deployed    time.Time    `json:"deployed"`
	StackStatus string       `json:"stackStatus"`
	InAlarm     []string     `json:"inAlarm"`
	Tokens      []Token      `json:"tokens"`
	Jobs        []Job        `json:"jobs"`
	Queues      Queues       `json:"queues"`
	Subscribers []Subscriber `json:"subscribers"`
	LastDrill   *Drill       `json:"lastDrill,omitempty"`
	// Unknown names what could not be read, with the reason.
	Unknown map[string]string `json:"unknown"`
	// Next is the command to type, empty if there is nothing to do.
	Next string `json:"next"`
	// Why is what Next is for.
	Why string `json:"why"`
}

// The verdicts of a token. Unknown is a token whose alarm could not be read; NeverUsed has no data yet.
const (
	Accepted  = "accepted"
	Rejected  = "rejected"
	NeverUsed = "never used"
	Unknown   = "unknown"
)

// A Token as its alarm, its secret and its metric show it.
type Token struct {
	Name    string     `json:"name"`
	Secret  string     `json:"secret"`
	Jobs    []string   `json:"jobs"`
	Verdict string     `json:"verdict"`
	Status  int        `json:"status,omitempty"` // of the newest rejected run
	Since   *time.Time `json:"since,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Stored  *time.Time `json:"stored,omitempty"`
	Rotated bool       `json:"rotated"` // Secrets Manager renews it
	Missing bool       `json:"missing"` // there is no such secret
}

// A Job as its schedule and its log show it.
type Job struct {
	Name        string     `json:"name"`
	Token       string     `json:"token"`
	Outcome     string     `json:"outcome,omitempty"` // of the last run
	LastRun     *time.Time `json:"lastRun,omitempty"`
	LastSuccess *time.Time `json:"lastSuccess,omitempty"`
	Next        *time.Time `json:"next,omitempty"`
	Timezone    string     `json:"timezone"`
	Paused      bool       `json:"paused"`
	// Drift says how the account differs from what was deployed; empty if it does not.
	Drift  string `json:"drift,omitempty"`
	Silent bool   `json:"silent"` // its alarm says that it did not succeed in time
}

// Queues are about how much is kept; nil where it could not be read.
type Queues struct {
	FailedRuns  *int `json:"failedRuns"`
	DeadLetters *int `json:"deadLetters"`
}

// A Subscriber is notified of alarms once the subscription is confirmed.
type Subscriber struct {
	Protocol  string `json:"protocol"`
	Endpoint  string `json:"endpoint"`
	Confirmed bool   `json:"confirmed"`
}

// A Drill tested the way of an alarm to its reader.
type Drill struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
}

// drillEvery is how old a drill may be before the report asks for another.
const drillEvery = 30 * 24 * time.Hour

// reading is what the requests returned, before it is put together.
type reading struct {
	alarms  []account.Alarm
	jobs    []account.Job
	runs    []account.Run
	secrets map[string]account.Secret // by id
	days    map[string]float64        // by token
}

// Read reads everything at once, with some dozen requests.
func Read(ctx context.Context, c account.Clients, s *account.Stack, now time.Time) *Report {
	r := &Report{
		At: now, Deployed: s.Deployed, StackStatus: string(s.Status), InAlarm: []string{}, Tokens: []Token{}, Jobs: []Job{},
		Subscribers: []Subscriber{}, Unknown: map[string]string{},
	}
	found := &reading{secrets: map[string]account.Secret{}}
	r.fail(account.All(map[string]func() error{
		"alarms": into(&found.alarms, func() ([]account.Alarm, error) {
			return account.FindAlarms(ctx, c.CloudWatch, s)
		}),
		"jobs": into(&found.jobs, func() ([]account.Job, error) { return account.FindJobs(ctx, c.Scheduler, s) }),
		"runs": into(&found.runs, func() ([]account.Run, error) { return account.LastRuns(ctx, c.Logs, s, now) }),
		"expiry": into(&found.days, func() (map[string]float64, error) {
			return account.DaysToExpiry(ctx, c.CloudWatch, s, s.Tokens(), now)
		}),
		"failed runs": into(&r.Queues.FailedRuns, func() (*int, error) {
			return waiting(ctx, c, s.Outputs["FailedRunsUrl"])
		}),
		"dead letters": into(&r.Queues.DeadLetters, func() (*int, error) {
			return waiting(ctx, c, s.Outputs["DeadLettersUrl"])
		}),
		"subscribers": func() error { return r.subscribers(ctx, c, s) },
		"drill":       func() error { return r.drill(ctx, c, s) },
	}))
	r.fail(found.describe(ctx, c, s))
	r.alarms(found)
	r.tokens(s, found)
	r.jobs(found)
	r.advise()
	return r
}

// into returns a read that keeps its result, in part where it failed in part.
func into[T any](to *T, read func() (T, error)) func() error {
	return func() (err error) {
		*to, err = read()
		return err
	}
}

func (r *Report) fail(failed map[string]error) {
	for name, err := range failed {
		r.Unknown[name] = err.Error()
	}
}

func waiting(ctx context.Context, c account.Clients, url string) (*int, error) {
	n, err := account.Waiting(ctx, c.SQS, url)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

func (r *Report) subscribers(ctx context.Context, c account.Clients, s *account.Stack) error {
	all, err := account.FindSubscribers(ctx, c.SNS, s)
	for _, one := range all {
		r.Subscribers = append(r.Subscribers, Subscriber{one.Protocol, one.Endpoint, one.Confirmed})
	}
	return err
}

func (r *Report) drill(ctx context.Context, c account.Clients, s *account.Stack) error {
	at, ok, err := account.LastDrill(ctx, c.SNS, s)
	if err == nil && !at.IsZero() {
		r.LastDrill = &Drill{at, ok}
	}
	return err
}

// describe reads the secrets that the jobs name.
func (f *reading) describe(ctx context.Context, c account.Clients, s *account.Stack) map[string]error {
	reads := map[string]func() error{}
	results := make(chan account.Secret, len(f.jobs))
	for _, j := range f.jobs {
		id := s.SecretID(j.Secret)
		reads["secret "+id] = func() error {
			secret, err := account.FindSecret(ctx, c.SecretsManager, id)
			if err == nil {
				results <- secret
			}
			return err
		}
	}
	failed := account.All(reads)
	close(results)
	for secret := range results {
		f.secrets[secret.ID] = secret
	}
	return failed
}

func (r *Report) alarms(f *reading) {
	for _, a := range f.alarms {
		if a.Firing() {
			r.InAlarm = append(r.InAlarm, *a.AlarmName)
		}
	}
	slices.Sort(r.InAlarm)
}

func (f *reading) alarm(kind, of string) (account.Alarm, bool) {
	for _, a := range f.alarms {
		if a.Kind == kind && a.Of == of {
			return a, true
		}
	}
	return account.Alarm{}, false
}

// newest returns the newest run that a condition holds for, nil if there is none.
func (f *reading) newest(fits func(account.Run) bool) *account.Run {
	var newest *account.Run
	for _, run := range f.runs {
		if fits(run) && (newest == nil || run.At.After(newest.At)) {
			newest = &run
		}
	}
	return newest
}

func (r *Report) tokens(s *account.Stack, f *reading) {
	for _, name := range s.Tokens() {
		t := Token{Name: name, Jobs: []string{}, Verdict: Unknown}
		for _, j := range f.jobs {
			if j.Token == name {
				t.Jobs, t.Secret = append(t.Jobs, j.Name), s.SecretID(j.Secret)
			}
		}
		f.verdict(&t)
		if secret, ok := f.secrets[t.Secret]; ok {
			t.Rotated, t.Missing = secret.Rotated, secret.Missing || !secret.Deleted.IsZero()
			if !secret.Stored.IsZero() {
				t.Stored = &secret.Stored
			}
		}
		if days, ok := f.days[name]; ok {
			const day = 24 * time.Hour
			expires := r.At.Add(time.Duration(days * float64(day))).Round(time.Hour)
			t.Expires = &expires
		}
		r.Tokens = append(r.Tokens, t)
	}
}

func (f *reading) verdict(t *Token) {
	a, ok := f.alarm("TokenRejected", t.Name)
	if !ok {
		return
	}
	ofToken := func(verdict string) *account.Run {
		return f.newest(func(run account.Run) bool { return run.Verdict == verdict && slices.Contains(t.Jobs, run.Job) })
	}
	switch {
	case a.Firing():
		since := a.RejectedSince()
		t.Verdict, t.Since = Rejected, &since
		if run := ofToken(Rejected); run != nil {
			t.Status = run.Status
		}
	case a.StateValue == "OK":
		t.Verdict = Accepted
		if run := ofToken(Accepted); run != nil {
			t.Since = &run.At
		}
	default:
		t.Verdict = NeverUsed
	}
}

func (r *Report) jobs(f *reading) {
	for _, j := range f.jobs {
		one := Job{Name: j.Name, Token: j.Token, Timezone: j.Zone().String(), Paused: j.Paused(r.At)}
		if run := f.newest(func(run account.Run) bool { return run.Job == j.Name }); run != nil {
			one.Outcome, one.LastRun = run.Outcome, &run.At
		}
		if run := f.newest(func(run account.Run) bool {
			return run.Job == j.Name && run.Outcome == "succeeded"
		}); run != nil {
			one.LastSuccess = &run.At
		}
		if next, ok := j.Next(r.At); ok {
			one.Next = &next
		}
		if a, ok := f.alarm("Silent", j.Name); ok {
			one.Silent, one.Drift = silent(one, a, r.At), drift(j, a, r.At)
		}
		r.Jobs = append(r.Jobs, one)
	}
}

// silent reports whether a job did not succeed in time. Its alarm is in INSUFFICIENT_DATA if it does not run at all,
// but a new alarm starts there: it says nothing of a job that has never run, or has just run for the first time.
func silent(j Job, a account.Alarm, now time.Time) bool {
	const seen = time.Hour // CloudWatch evaluates some of these alarms once an hour
	return a.Firing() || a.StateValue == "INSUFFICIENT_DATA" && j.LastRun != nil && now.Sub(*j.LastRun) > seen
}

// drift compares a schedule with its Silent alarm, whose actions are off where the template has State: DISABLED, and
// which no pause touches.
func drift(j account.Job, silent account.Alarm, now time.Time) string {
	switch paused, disabled := j.Paused(now), silent.ActionsEnabled != nil && !*silent.ActionsEnabled; {
	case paused && !disabled:
		return "is paused in the account alone: a deployment that changes it starts it"
	case !paused && disabled:
		return "runs, though it was deployed with State: DISABLED: no alarm watches it"
	}
	return ""
}

// Only keeps one token with its jobs, or one job with its token. It returns false if there is neither.
func (r *Report) Only(name string) bool {
	names := map[string]bool{name: true}
	for _, j := range r.Jobs {
		if j.Name == name || j.Token == name {
			names[j.Name] = true
		}
		if j.Name == name {
			names[j.Token] = true
		}
	}
	r.Tokens = slices.DeleteFunc(r.Tokens, func(t Token) bool { return !names[t.Name] })
	r.Jobs = slices.DeleteFunc(r.Jobs, func(j Job) bool { return !names[j.Name] })
	r.InAlarm = slices.DeleteFunc(r.InAlarm, func(alarm string) bool {
		return !names[alarm[strings.LastIndexByte(alarm, '-')+1:]]
	})
	r.Next, r.Why = "", ""
	r.advise()
	return len(r.Tokens)+len(r.Jobs) > 0
}

// advise chooses the next command: what stops jobs comes first, then what was missed, then the way to people.
func (r *Report) advise() {
	for _, t := range r.Tokens {
		switch {
		case t.Rotated && t.Verdict == Rejected:
			r.Next, r.Why = "cronbearer token rotate "+t.Name, "renews the rejected token"
			return
		case t.Verdict == Rejected || t.Missing:
			r.Next, r.Why = "cronbearer token set "+t.Name, "stores a new token"
			return
		}
	}
	for _, alarm := range r.InAlarm {
		if _, secret, ok := strings.Cut(alarm, "-RotationFailed-"); ok {
			r.Next, r.Why = "cronbearer token rotate "+secret, "its renewal has failed"
			return
		}
	}
	for _, j := range r.Jobs {
		switch {
		case j.Silent && j.Paused:
			r.Next, r.Why = "cronbearer resume "+j.Name, "it is paused, and silent for too long"
			return
		case j.Silent:
			r.Next, r.Why = "cronbearer runs "+j.Name, "it has not succeeded for too long"
			return
		}
	}
	for _, one := range r.Subscribers {
		if !one.Confirmed {
			r.Next, r.Why = "cronbearer drill", one.Endpoint+" is not confirmed"
			return
		}
	}
	switch {
	case len(r.Subscribers) == 0 && r.Unknown["subscribers"] == "":
		r.Next, r.Why = "cronbearer drill", "no one is notified of alarms"
	case positive(r.Queues.FailedRuns):
		r.Next, r.Why = "cronbearer resend", "the newest failed run of each job"
	case positive(r.Queues.DeadLetters):
		r.Next, r.Why = "cronbearer failed", "starts were not delivered"
	case r.LastDrill == nil && r.Unknown["drill"] == "":
		r.Next, r.Why = "cronbearer drill", "no one has checked that alarms reach you"
	case r.LastDrill != nil && r.At.Sub(r.LastDrill.At) > drillEvery:
		r.Next, r.Why = "cronbearer drill", fmt.Sprintf(
			"the last drill was %d days ago", int(r.At.Sub(r.LastDrill.At).Hours()/24),
		)
	}
}

func positive(n *int) bool { return n != nil && *n > 0 }

// Names returns what could not be read, in order.
func (r *Report) Names() []string { return slices.Sorted(maps.Keys(r.Unknown)) }
