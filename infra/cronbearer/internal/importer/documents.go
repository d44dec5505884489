package importer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Sources that are JSON: cron-job.org and Google Cloud Scheduler.

// A document is one JSON value and the line that it starts in.
type document struct {
	value jsondoc.Value
	line  int
}

// documents reads one JSON value after another, as a loop over requests writes them, and the elements of lists at the
// top.
func documents(data []byte) ([]document, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	var found []document
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, sourceError("it is not JSON, from line %d on", lineAt(data, int(decoder.InputOffset())))
		}
		start := int(decoder.InputOffset()) - len(raw)
		values, err := elements(raw)
		if err != nil {
			return nil, sourceError("it is not valid JSON, from line %d on", lineAt(data, start))
		}
		for _, v := range values {
			found = append(found, document{v.value, lineAt(data, start+v.line)})
		}
	}
}

// elements returns a value, or those of a list; line is their offset.
func elements(raw json.RawMessage) ([]document, error) {
	if raw[0] != '[' {
		v, _, err := jsondoc.Parse(raw)
		return []document{{v, 0}}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, err //nolint:wrapcheck // not shown
	}
	var found []document
	for decoder.More() {
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return nil, err //nolint:wrapcheck // not shown
		}
		v, _, err := jsondoc.Parse(element)
		if err != nil {
			return nil, err
		}
		found = append(found, document{v, int(decoder.InputOffset()) - len(element)})
	}
	return found, nil
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}

func text(v jsondoc.Value, path ...string) string {
	for _, name := range path {
		v = v.Get(name)
	}
	if v.Kind == jsondoc.String {
		return v.Text
	}
	return ""
}

func whole(v jsondoc.Value, path ...string) (int, bool) {
	for _, name := range path {
		v = v.Get(name)
	}
	return jsondoc.WholeNumber(v)
}

func isTrue(v jsondoc.Value) bool { return v.Kind == jsondoc.Bool && v.Text == "true" }

// methods are cron-job.org's numbers.
var methods = []string{"GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"}

func (im *importer) cronJobOrg(data []byte) error {
	docs, err := documents(data)
	if err != nil {
		return err
	}
	details := map[int]bool{}
	var jobs []document
	for _, d := range docs {
		switch {
		case d.value.Get("jobDetails").Kind == jsondoc.Object:
			d.value = d.value.Get("jobDetails")
			jobs = append(jobs, d)
		case d.value.Get("jobs").Kind == jsondoc.Array:
			for _, item := range d.value.Get("jobs").Items {
				jobs = append(jobs, document{item, d.line})
			}
		case d.value.Get("jobId").Kind != jsondoc.Absent:
			jobs = append(jobs, d)
		default:
			return sourceError("the JSON in line %d has neither jobs nor jobDetails", d.line)
		}
	}
	for _, d := range jobs {
		if id, ok := whole(d.value, "jobId"); ok && d.value.Get("extendedData").Kind != jsondoc.Absent {
			details[id] = true
		}
	}
	for _, d := range jobs {
		id, _ := whole(d.value, "jobId")
		if d.value.Get("extendedData").Kind == jsondoc.Absent && details[id] {
			continue
		}
		im.cronJobOrgJob(d)
	}
	return nil
}

func (im *importer) cronJobOrgJob(d document) {
	o := origin{line: d.line, name: text(d.value, "title"), zoneFrom: "the job's"}
	o.zone = text(d.value, "schedule", "timezone")
	if o.zone == "" {
		o.zone = "UTC"
	}
	o.disabled = d.value.Get("enabled").Kind == jsondoc.Bool && !isTrue(d.value.Get("enabled"))
	r, err := im.cronJobOrgRequest(d)
	var scheduleErr error
	o.table, scheduleErr = cronJobOrgTable(d.value.Get("schedule"))
	if err = first(scheduleErr, err); err != nil {
		im.registerAll(r)
		im.reject(o, im.shownName(o.name), err)
		return
	}
	if expires, _ := whole(d.value, "schedule", "expiresAt"); expires > 0 {
		o.notes = append(o.notes, "it finishes on its own some day, and a job does not: remove it from the template then")
	}
	if isTrue(d.value.Get("redirectSuccess")) {
		o.notes = append(o.notes, "a redirect counted as success; to Cronbearer it is a failed run")
	}
	im.take(o, r)
}

// registerAll registers the credentials of a request that is not taken over.
func (im *importer) registerAll(r request) {
	c := caller{marks: &im.marks, finds: &im.finds, r: r}
	_, _ = c.call()
}

func (im *importer) shownName(name string) string {
	const longest = 40
	odd := func(r rune) bool { return r < ' ' || isMark(r) }
	if im.finds.in(name) || len(name) > longest || strings.ContainsFunc(name, odd) {
		return ""
	}
	return name
}

func cronJobOrgTable(s jsondoc.Value) (timetable, error) {
	var t timetable
	for _, f := range []struct {
		name        string
		first, last int
		into        *set
	}{
		{"minutes", 0, 59, &t.minutes},
		{"hours", 0, 23, &t.hours},
		{"mdays", 1, 31, &t.days},
		{"months", 1, 12, &t.months},
		{"wdays", 0, 6, &t.weekdays},
	} {
		items := s.Get(f.name)
		for _, item := range items.Items {
			n, ok := jsondoc.WholeNumber(item)
			switch {
			case ok && n == -1:
				*f.into |= span(f.first, f.last, 1)
			case !ok || n < f.first || n > f.last:
				return t, fmt.Errorf("its schedule's %s are none that cron-job.org knows", f.name)
			default:
				*f.into |= 1 << n
			}
		}
		if *f.into == 0 {
			return t, fmt.Errorf("its schedule has no %s", f.name)
		}
	}
	return t, nil
}

func (im *importer) cronJobOrgRequest(d document) (request, error) {
	r := request{line: d.line, url: text(d.value, "url"), literal: true, method: "GET"}
	if n, ok := whole(d.value, "requestMethod"); ok {
		if n < 0 || n >= len(methods) {
			return r, errors.New("its method is none that cron-job.org knows")
		}
		r.method = methods[n]
	}
	if n, ok := whole(d.value, "requestTimeout"); ok && n > 0 {
		r.timeout = n
	}
	extended := d.value.Get("extendedData")
	if extended.Kind == jsondoc.Absent {
		return r, errors.New("its headers and body are missing: the list has none, /jobs/<id> has them")
	}
	for _, h := range extended.Get("headers").Members {
		if h.Value.Kind == jsondoc.String {
			r.headers = append(r.headers, header{h.Name, h.Value.Text})
		}
	}
	if body := text(extended, "body"); body != "" && r.method != "GET" && r.method != "HEAD" {
		r.body, r.contentType = &body, formType
	}
	auth := d.value.Get("auth")
	im.register(d.line, text(auth, "password"))
	if isTrue(auth.Get("enable")) {
		return r, errors.New("it sends a password (Basic), and a job sends a bearer token")
	}
	return r, nil
}

func (im *importer) register(line int, value string) { im.finds.add(line, value) }

func (im *importer) gcp(data []byte) error {
	docs, err := documents(data)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.value.Kind != jsondoc.Object || d.value.Get("schedule").Kind != jsondoc.String {
			return sourceError("the JSON in line %d is not a job of gcloud scheduler jobs list --format json", d.line)
		}
		im.gcpJob(d)
	}
	return nil
}

func (im *importer) gcpJob(d document) {
	name := text(d.value, "name")
	name = name[strings.LastIndex(name, "/")+1:]
	o := origin{
		line: d.line, name: name, zone: orText(text(d.value, "timeZone"), "UTC"), zoneFrom: "the job's",
		disabled: text(d.value, "state") == "PAUSED" || text(d.value, "state") == "DISABLED",
	}
	r, err := im.gcpRequest(d)
	expression := text(d.value, "schedule")
	table, scheduleErr := parseCron(expression, wallClock)
	if scheduleErr == nil {
		o.table, o.schedule = table, expression
	} else if strings.HasPrefix(expression, "every ") {
		scheduleErr = errors.New("its schedule is in App Engine's words: write it in cron's")
	}
	if err = first(scheduleErr, err); err != nil {
		im.registerAll(r)
		im.reject(o, im.shownName(name), err)
		return
	}
	im.take(o, r)
}

func (im *importer) gcpRequest(d document) (request, error) {
	target := d.value.Get("httpTarget")
	r := request{line: d.line, url: text(target, "uri"), method: orText(text(target, "httpMethod"), "POST"), literal: true}
	if target.Kind != jsondoc.Object {
		return r, errors.New("it does not call a URL: only httpTarget is taken over")
	}
	for _, h := range target.Get("headers").Members {
		if h.Value.Kind == jsondoc.String && !(h.Name == "User-Agent" && h.Value.Text == "Google-Cloud-Scheduler") {
			r.headers = append(r.headers, header{h.Name, h.Value.Text})
		}
	}
	if encoded := text(target, "body"); encoded != "" {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return r, errors.New("its body is not base64")
		}
		body := string(decoded)
		if strings.ContainsFunc(body, isMark) {
			return r, errors.New("its body is not text")
		}
		r.body, r.contentType = &body, "application/octet-stream"
	}
	if n, ok := digits(strings.TrimSuffix(text(d.value, "attemptDeadline"), "s")); ok {
		r.timeout = n
	}
	if n, ok := whole(d.value, "retryConfig", "retryCount"); ok && n > 0 && n < 1000 {
		r.attempts = n + 1
	}
	for _, kind := range []string{"oidcToken", "oauthToken"} {
		if target.Get(kind).Kind == jsondoc.Object {
			r.bearer = im.marks.add(mark{
				variable: "Google" + strings.ToUpper(kind[:1]) + kind[1:],
				note: "its token was made by Google (" + kind + "): docs/providers/google.md says what the secret holds, " +
					"and which tokens Cronbearer cannot make",
			})
		}
	}
	return r, nil
}
