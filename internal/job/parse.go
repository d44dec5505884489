package job

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/request"
)

// Options are what the environment adds to the rules of an event.
type Options struct {
	IdempotencyHeader string // an event may not set it
}

// Parse checks an event. On an error, which is an *InvalidError, the Job still has the names that could be read, so
// that the run can be reported under them.
func Parse(data []byte, o Options) (Job, error) {
	p := parser{options: o}
	j := p.job(data)
	if len(p.problems) > 0 {
		return j, &InvalidError{p.problems}
	}
	return j, nil
}

// parser collects the problems of one event. They quote what the author wrote: an event holds no secret.
type parser struct {
	options  Options
	problems jsondoc.Problems
}

// job reads all keys, whatever is wrong with others. A name that appears twice is left empty, as its metrics could be
// either's.
func (p *parser) job(data []byte) Job {
	doc, duplicates, err := jsondoc.Parse(data)
	if err != nil {
		p.problems.Addf("the event is %s", err)
		return Job{}
	}
	if doc.Kind != jsondoc.Object {
		p.problems.Addf("the event must be an object, not %s", doc.Kind)
		return Job{}
	}
	ambiguous := map[string]bool{}
	for _, d := range duplicates {
		p.problems.Addf("duplicate key %s in %s", jsondoc.Quote(d.Name), pointerOrEvent(d.Path))
		if d.Path == "" {
			ambiguous[d.Name] = true
		}
	}
	leaveOutUnreplaced(doc, "body")
	for _, name := range []string{"headers", "expect", "reject"} {
		leaveOutUnreplaced(doc.Get(name), "")
	}

	f := jsondoc.NewFields(doc, "", false, &p.problems)
	j := Job{
		Name:        p.name(f, "job"),
		Token:       p.name(f, "token"),
		Action:      p.action(f),
		Secret:      p.secret(f),
		Timeout:     p.duration(f, "timeout", DefaultTimeout, MinTimeout, MaxTimeout),
		Attempts:    f.Int("attempts", 1, MaxAttempts, DefaultAttempts),
		Idempotent:  f.Bool("idempotent"),
		MaxAge:      p.duration(f, "maxAge", 0, 1, 1<<62),
		ScheduleARN: f.String("scheduleArn"),
	}
	j.ScheduledTime = p.time(f, "scheduledTime")
	j.SecretKey = p.secretKey(f)
	j.zone = p.zone(f)
	j.Call = p.call(f, j.Action)
	j.headers = p.headers(f)
	j.body, _ = f.Any("body")
	eventValues.CheckValue(j.body, "body: ", &p.problems)
	j.Rules = request.ParseRules(f, "", false, &p.problems)
	f.Done()
	if ambiguous["job"] {
		j.Name = ""
	}
	if ambiguous["token"] {
		j.Token = ""
	}
	return j
}

// eventValues check the placeholders of an event before its values are known.
var eventValues = request.ValuesAt(time.Time{}, nil, map[string]string{"runId": ""})

// leaveOutUnreplaced treats a context attribute that Scheduler did not replace as absent: the event did not come from
// Scheduler. A body is the target's, not ours.
func leaveOutUnreplaced(object jsondoc.Value, except string) {
	for i, m := range object.Members {
		if m.Name != except && m.Value.Kind == jsondoc.String && isContextAttribute(m.Value.Text) {
			object.Members[i].Value = jsondoc.Value{Kind: jsondoc.Null}
		}
	}
}

func pointerOrEvent(path string) string {
	if path == "" {
		return "the event"
	}
	return jsondoc.Quote(path)
}

// name returns only a valid name: it becomes a dimension, and an invalid one would lose the whole PutMetricData.
func (p *parser) name(f *jsondoc.Fields, key string) string {
	before := len(p.problems)
	name := f.Required(key, "a name of letters, digits, dots, underscores and hyphens")
	if len(p.problems) == before && !isName(name) {
		p.problems.Addf(
			"%s must be 1 to 64 letters, digits, dots, underscores and hyphens and begin with a letter or digit", key,
		)
	}
	if !isName(name) {
		return ""
	}
	return name
}

// action returns Call for an unknown one, so that a missing call is reported with it.
func (p *parser) action(f *jsondoc.Fields) Action {
	switch a := Action(f.String("action")); a {
	case "", Call:
		return Call
	case Check:
		return Check
	default:
		p.problems.Addf("action must be call or check, not %s", jsondoc.Quote(string(a)))
		return Call
	}
}

// secret does not resolve a name: the store adds the stack's prefix. An ARN may be outside it, and is then up to the
// role's policy (parameter ExtraSecretArns).
func (p *parser) secret(f *jsondoc.Fields) string {
	before := len(p.problems)
	name := f.Required("secret", "the name or ARN of the token's secret in Secrets Manager")
	if len(p.problems) > before {
		return ""
	}
	if strings.HasPrefix(name, "arn:") {
		if !isSecretARN(name) {
			p.problems.Addf("secret is not the ARN of a Secrets Manager secret")
		}
	} else if !isSecretName(name) {
		p.problems.Addf("secret must be 1 to 512 letters, digits and /_+=.@!-, or an ARN")
	}
	return name
}

// secretKey is a key's name, or a JSON pointer if it begins with a slash.
func (p *parser) secretKey(f *jsondoc.Fields) string {
	key := f.String("secretKey")
	if strings.HasPrefix(key, "/") {
		if _, err := jsondoc.ParsePointer(key); err != nil {
			p.problems.Addf("secretKey: the pointer %s %s", jsondoc.Quote(key), err)
		}
	}
	return key
}

// zone loads the time zone of the local times. "Local" is the machine's and not a name of the database. The database is
// the runtime's: provided.al2023 has it since January 2024 (aws/aws-lambda-dotnet#1620), and one in the binary
// (time/tzdata) would add 450 kB. An empty name is UTC.
func (p *parser) zone(f *jsondoc.Fields) *time.Location {
	name := f.String("timezone")
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		p.problems.Addf(
			"timezone %s is not known: write a name of the IANA time zone database, such as Europe/London",
			jsondoc.Quote(name),
		)
		return nil
	}
	return zone
}

// duration reads a Go duration. A low of one nanosecond means any but zero: a maxAge of 0 looks like the strictest
// limit, and would be none.
func (p *parser) duration(f *jsondoc.Fields, key string, fallback, low, high time.Duration) time.Duration {
	text := f.String(key)
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		p.problems.Addf("%s must be a duration such as 30s, 5m or 1h", key)
	case d < low && low == 1:
		p.problems.Addf("%s must be more than 0", key)
	case d < low, d > high:
		p.problems.Addf("%s must be from %s to %s", key, seconds(low), seconds(high))
	default:
		return d
	}
	return fallback
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

// time is strict: the run's id and the placeholders are made of it. The result is in UTC.
func (p *parser) time(f *jsondoc.Fields, key string) time.Time {
	text := f.String(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !isStrictTime(text) {
		p.problems.Addf("%s must be an RFC 3339 time such as 2006-01-02T15:04:05Z", key)
		return time.Time{}
	}
	return t.UTC()
}

func (p *parser) call(f *jsondoc.Fields, action Action) request.Call {
	before := len(p.problems)
	text := f.String("call")
	if text == "" {
		if action == Call && len(p.problems) == before {
			p.problems.Addf("call is missing: a method and a URL, such as GET https://api.example.com/v1/sync")
		}
		return request.Call{}
	}
	call, problems := request.ParseCall(text)
	for _, problem := range problems {
		p.problems.Addf("call: %s", problem)
	}
	return call
}

// headers returns those that are not null, with their names as written. Two names that differ only in case are one
// header (RFC 9110 section 5.1), and which of them is sent would be up to the order.
func (p *parser) headers(f *jsondoc.Fields) []header {
	object, ok := f.Object("headers")
	if !ok {
		return nil
	}
	list := make([]header, 0, len(object.Members))
	var seen []string
	for _, m := range object.Members {
		where := "headers." + jsondoc.Shorten(m.Name)
		if err := request.CheckHeaderName(m.Name); err != nil {
			p.problems.Addf("headers: %s %s", jsondoc.Quote(m.Name), err)
			continue
		}
		canonical := http.CanonicalHeaderKey(m.Name)
		switch {
		case p.options.IdempotencyHeader != "" && strings.EqualFold(m.Name, p.options.IdempotencyHeader):
			p.problems.Addf("%s is the idempotency header, which every run sets itself", where)
		case slices.Contains(seen, canonical):
			p.problems.Addf("%s is a duplicate (header names are matched without regard to case)", where)
		case m.Value.Kind == jsondoc.Null:
			continue
		case m.Value.Kind != jsondoc.String:
			p.problems.Addf("%s must be a string, not %s", where, m.Value.Kind)
		case !request.ValidHeaderValue(m.Value.Text):
			p.problems.Addf("%s must be printable ASCII", where)
		}
		seen = append(seen, canonical)
		eventValues.CheckValue(m.Value, where+": ", &p.problems)
		list = append(list, header{m.Name, m.Value.Text})
	}
	return list
}
