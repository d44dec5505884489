package importer

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// eventBridge is what a source of this kind holds: the answers of `aws events` and `aws scheduler` in JSON, in any
// number, one after another. An answer of list-targets-by-rule does not name its rule: it is the member Rule that
// someone has added, or the answer of describe-rule before it, or the only rule on a schedule.
type eventBridge struct {
	rules                     []document
	targets                   []targetsOf
	destinations, connections map[string]jsondoc.Value // by ARN
	schedules                 []document
}

type targetsOf struct {
	rule string
	all  []jsondoc.Value
	line int
}

func (im *importer) eventBridge(data []byte) error {
	docs, err := documents(data)
	if err != nil {
		return err
	}
	if len(docs) == 0 {
		return sourceError("it is empty")
	}
	e := &eventBridge{destinations: map[string]jsondoc.Value{}, connections: map[string]jsondoc.Value{}}
	described := ""
	for _, d := range docs {
		if described, err = e.add(d, described); err != nil {
			return err
		}
	}
	if err := e.assign(); err != nil {
		return err
	}
	for _, r := range e.rules {
		im.rule(e, r)
	}
	for _, s := range e.schedules {
		im.schedulerSchedule(s)
	}
	return nil
}

// add sorts one answer in. described is the rule that the last describe-rule was about.
func (e *eventBridge) add(d document, described string) (string, error) {
	v := d.value
	has := func(name string) bool { return v.Get(name).Kind != jsondoc.Absent }
	switch {
	case has("Rules"):
		for _, r := range v.Get("Rules").Items {
			e.addRule(document{r, d.line})
		}
	case has("Targets"):
		e.targets = append(e.targets, targetsOf{orText(text(v, "Rule"), described), v.Get("Targets").Items, d.line})
	case has("ApiDestinations"):
		for _, one := range v.Get("ApiDestinations").Items {
			e.destinations[text(one, "ApiDestinationArn")] = one
		}
	case has("Connections"): // without their AuthParameters
		for _, one := range v.Get("Connections").Items {
			if arn := text(one, "ConnectionArn"); e.connections[arn].Kind == jsondoc.Absent {
				e.connections[arn] = one
			}
		}
	case has("ApiDestinationArn"):
		e.destinations[text(v, "ApiDestinationArn")] = v
	case has("ConnectionArn"):
		e.connections[text(v, "ConnectionArn")] = v
	case has("Schedules"):
		for _, one := range v.Get("Schedules").Items {
			e.schedules = append(e.schedules, document{one, d.line})
		}
	case has("Target"), has("ScheduleExpressionTimezone"):
		e.schedules = append(e.schedules, d)
	case has("ScheduleExpression"), has("EventPattern"):
		e.addRule(d)
		return text(v, "Name"), nil
	default:
		return "", sourceError("the JSON in line %d is no answer of aws events or aws scheduler that is known here", d.line)
	}
	return described, nil
}

// addRule adds a rule once: describe-rule repeats what list-rules says.
func (e *eventBridge) addRule(d document) {
	same := func(other document) bool { return text(other.value, "Name") == text(d.value, "Name") }
	if i := slices.IndexFunc(e.rules, same); i >= 0 {
		e.rules[i] = d
		return
	}
	e.rules = append(e.rules, d)
}

// assign gives targets without a rule to the only rule that has a schedule.
func (e *eventBridge) assign() error {
	var scheduled []string
	for _, r := range e.rules {
		if text(r.value, "ScheduleExpression") != "" {
			scheduled = append(scheduled, text(r.value, "Name"))
		}
	}
	for i := range e.targets {
		if t := &e.targets[i]; t.rule == "" {
			if len(scheduled) != 1 {
				return sourceError(
					"the targets in line %d name no rule: put describe-rule before each list-targets-by-rule", t.line,
				)
			}
			t.rule = scheduled[0]
		}
	}
	return nil
}

// rule takes over the targets of one rule.
func (im *importer) rule(e *eventBridge, d document) {
	name := text(d.value, "Name")
	o := origin{
		line: d.line, name: name, zone: "UTC", zoneFrom: "EventBridge's", expression: text(d.value, "ScheduleExpression"),
		disabled: text(d.value, "State") == "DISABLED",
	}
	o.schedule = o.expression
	shown := im.shownName(name)
	switch {
	case o.expression == "":
		im.reject(o, shown, errors.New("it starts on events, not on a schedule"))
		return
	case text(d.value, "ManagedBy") != "":
		im.reject(o, shown, errors.New("a service of AWS manages it"))
		return
	}
	found := false
	for _, t := range e.targets {
		if t.rule != name {
			continue
		}
		found = true
		for _, target := range t.all {
			at := o
			at.line, at.notes = t.line, nil
			r, err := im.target(e, at.line, target)
			if err != nil {
				im.registerAll(r)
				im.reject(at, shown, err)
				continue
			}
			im.take(at, r)
		}
	}
	if !found {
		im.reject(o, shown, errors.New("its targets are missing: aws events list-targets-by-rule has them"))
	}
}

// target is the request of an API destination, as EventBridge sends it.
func (im *importer) target(e *eventBridge, line int, target jsondoc.Value) (request, error) {
	r := request{line: line, literal: true}
	arn := text(target, "Arn")
	if !strings.Contains(arn, ":api-destination/") {
		return r, startsOther(arn)
	}
	destination, ok := e.destinations[arn]
	if !ok {
		return r, errors.New("its API destination is missing: aws events list-api-destinations has it")
	}
	r.method, r.url = text(destination, "HttpMethod"), text(destination, "InvocationEndpoint")
	if n, ok := whole(target, "RetryPolicy", "MaximumRetryAttempts"); ok && n >= 0 && n < 1000 {
		r.attempts = n + 1
	}
	connectionErr := im.connection(e, text(destination, "ConnectionArn"), &r)
	return r, first(im.parameters(target.Get("HttpParameters"), &r), connectionErr, im.input(target, &r))
}

// startsOther says what a target that is no API destination is.
func startsOther(arn string) error {
	part := strings.SplitN(arn, ":", 6) //nolint:mnd // arn:partition:service:region:account:resource
	if len(part) > 2 && part[2] != "" && strings.Trim(part[2], "abcdefghijklmnopqrstuvwxyz-") == "" {
		return errors.New("it does not call a URL but " + part[2] + ": only API destinations are taken over")
	}
	return errors.New("it does not call a URL: only API destinations are taken over")
}

// parameters are those that a target adds: each * of the URL is a path parameter.
func (im *importer) parameters(p jsondoc.Value, r *request) error {
	for _, value := range p.Get("PathParameterValues").Items {
		if !strings.Contains(r.url, "*") || value.Kind != jsondoc.String {
			return errors.New("it has more path parameters than its URL has places")
		}
		r.url = strings.Replace(r.url, "*", url.PathEscape(value.Text), 1)
	}
	if strings.Contains(r.url, "*") {
		return errors.New("its URL has a * without a path parameter")
	}
	for _, h := range p.Get("HeaderParameters").Members {
		r.headers = append(r.headers, header{h.Name, h.Value.Text})
	}
	for _, q := range p.Get("QueryStringParameters").Members {
		r.addQuery(q.Name, q.Value.Text)
	}
	return nil
}

func (r *request) addQuery(name, value string) {
	separator := "?"
	if strings.Contains(r.url, "?") {
		separator = "&"
	}
	if strings.ContainsFunc(value, isMark) {
		r.url += separator + url.QueryEscape(name) + "=" + value
		return
	}
	r.url += separator + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

// connection adds the credential, which AWS does not give back.
func (im *importer) connection(e *eventBridge, arn string, r *request) error {
	c, ok := e.connections[arn]
	if !ok {
		return errors.New("its connection is missing: aws events describe-connection has it")
	}
	// A name of our own for the token: that of the connection.
	credential := im.marks.variable("secrets." + text(c, "Name"))
	parameters := c.Get("AuthParameters")
	var err error
	switch text(c, "AuthorizationType") {
	case "API_KEY":
		name := text(parameters, "ApiKeyAuthParameters", "ApiKeyName")
		if name == "" {
			return errors.New("its connection is not described: aws events describe-connection says where its key goes")
		}
		r.headers = append(r.headers, header{name, credential})
		if strings.EqualFold(name, "Authorization") {
			r.headers, r.bearer = r.headers[:len(r.headers)-1], credential
			r.note("its connection sends a key of its own as Authorization: the secret holds what follows Bearer")
		}
	case "OAUTH_CLIENT_CREDENTIALS":
		r.bearer = credential
		oauth := parameters.Get("OAuthParameters")
		r.note("its connection obtains tokens at " + host(text(oauth, "AuthorizationEndpoint")) +
			": the secret has the form of docs/providers/generic-oauth2.md, with the client's secret, which AWS does not " +
			"give back")
	case "BASIC":
		err = errors.New("it sends a password (Basic), and a job sends a bearer token")
	default:
		err = errors.New("its connection's authorization is none that is known here")
	}
	return first(err, im.invocationParameters(parameters.Get("InvocationHttpParameters"), r))
}

// host is the host of a URL, for a text: the rest may hold anything.
func host(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "its token endpoint"
	}
	return u.Hostname()
}

// invocationParameters are those that a connection adds to each call. Secret ones have no value here.
func (im *importer) invocationParameters(p jsondoc.Value, r *request) error {
	value := func(parameter jsondoc.Value) string {
		if isTrue(parameter.Get("IsValueSecret")) {
			return im.marks.variable("secrets." + text(parameter, "Key"))
		}
		return text(parameter, "Value")
	}
	for _, h := range p.Get("HeaderParameters").Items {
		r.headers = append(r.headers, header{text(h, "Key"), value(h)})
	}
	for _, q := range p.Get("QueryStringParameters").Items {
		r.addQuery(text(q, "Key"), value(q))
	}
	if len(p.Get("BodyParameters").Items) > 0 {
		for _, b := range p.Get("BodyParameters").Items {
			im.register(r.line, text(b, "Value"))
		}
		return errors.New("its connection adds members to the body")
	}
	return nil
}

// input is the body: a constant, or what an input transformer makes of the event's time.
func (im *importer) input(target jsondoc.Value, r *request) error {
	bodiless := r.method == "GET" || r.method == "HEAD" || r.method == "OPTIONS"
	transformer := target.Get("InputTransformer")
	var body string
	switch {
	case bodiless:
		return nil
	case text(target, "InputPath") != "":
		return errors.New("its body is a part of EventBridge's event, which a job does not have")
	case target.Get("Input").Kind == jsondoc.String:
		body = text(target, "Input")
	case transformer.Kind == jsondoc.Object:
		var err error
		if body, err = im.transformed(transformer); err != nil {
			return err
		}
	default:
		r.note("its body was EventBridge's event, which is left out: add a Body if the endpoint reads it")
		return nil
	}
	r.body, r.contentType = &body, "application/json; charset=utf-8"
	if _, natural := bodyText(body); natural == jsonType {
		r.contentType = jsonType
	}
	return nil
}

// transformed is a template with the event's time as a placeholder. Anything else of the event is not in a job.
func (im *importer) transformed(transformer jsondoc.Value) (string, error) {
	body := text(transformer, "InputTemplate")
	at := im.marks.same(mark{placeholder: "{{scheduledTime}}"})
	paths := map[string]string{"aws.events.event.ingestion-time": "$.time"}
	for _, m := range transformer.Get("InputPathsMap").Members {
		paths[m.Name] = m.Value.Text
	}
	for name, path := range paths {
		if !strings.Contains(body, "<"+name+">") {
			continue
		}
		if path != "$.time" {
			return "", errors.New("its body has parts of EventBridge's event, which a job does not have")
		}
		// In JSON a variable stands without quotes, which EventBridge adds.
		body = strings.ReplaceAll(body, `"<`+name+`>"`, `"`+at+`"`)
		body = strings.ReplaceAll(body, ": <"+name+">", `: "`+at+`"`)
		body = strings.ReplaceAll(body, ":<"+name+">", `:"`+at+`"`)
		body = strings.ReplaceAll(body, "<"+name+">", at)
	}
	if strings.Contains(body, "<aws.events.") {
		return "", errors.New("its body has parts of EventBridge's event, which a job does not have")
	}
	return body, nil
}

// schedulerSchedule is one of EventBridge Scheduler's. None calls a URL: it is named, so that it is not forgotten.
func (im *importer) schedulerSchedule(d document) {
	o := origin{line: d.line, schedule: text(d.value, "ScheduleExpression")}
	im.reject(o, im.shownName(text(d.value, "Name")), startsOther(text(d.value, "Target", "Arn")))
}

// startsOf are the next starts of an expression that is taken over as it is: the new ones are the old ones.
func startsOf(s *schedule.Schedule, zone *time.Location, now time.Time) (Starts, bool) {
	next := Starts{Agree: true}
	for range shown {
		at, ok := s.Next(now)
		if !ok {
			break
		}
		next.New, now = append(next.New, at.In(zone)), at
	}
	next.Old = slices.Clone(next.New)
	return next, len(next.New) > 0
}
