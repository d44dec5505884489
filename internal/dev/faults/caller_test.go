package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
)

// ending is how a run ends.
type ending struct{ outcome, verdict string }

var (
	succeeded    = ending{"succeeded", "accepted"}
	rejected     = ending{"token_rejected", "rejected"}
	targetFailed = ending{"target_failed", "unknown"}
	unreachable  = ending{"unreachable", "unknown"}
	unavailable  = ending{"token_unavailable", "unknown"}  // for a while
	gone         = ending{"token_unavailable", "rejected"} // until someone does something
)

func (e ending) errorType() string {
	return map[string]string{
		"succeeded": "", "token_rejected": "TokenRejectedError", "target_failed": "TargetFailedError",
		"unreachable": "UnreachableError", "token_unavailable": "TokenUnavailableError", "invalid_job": "InvalidJobError",
	}[e.outcome]
}

// data are the metrics of the token and of the job.
func (e ending) data() map[string]float64 {
	data := map[string]float64{"Heartbeat": 0}
	if e.outcome == "succeeded" || e.verdict == "rejected" {
		data["Heartbeat"] = 1
	}
	switch e.verdict {
	case "rejected":
		data["TokenRejected"] = 1
	case "accepted":
		data["TokenRejected"] = 0
	}
	return data
}

// fate is what becomes of a run's metrics.
type fate int

const (
	stored   fate = iota // by CloudWatch
	lost                 // they go out as a log line
	accepted             // by whatever answered for CloudWatch
	repeated             // so that what is good about the token is not sent again
)

// trial is one fault on one run.
type trial struct {
	breakage

	name    string
	where   func(*world) *door
	only    func(*http.Request, []byte) bool
	kind    kind
	expect  map[string]any // of the job
	path    string         // of the call; empty: where the token is accepted
	want    ending
	login   ending        // in place of want, of a login; zero: the same
	data    fate          // of the run's metrics
	timeout time.Duration // of the function; 0: 9 s
}

func (c trial) String() string { return c.name + "/" + c.kind.name }

const functionTime = 9 * time.Second

// try makes a run under the fault, and one when it is over.
func try(t *testing.T, w *world, c trial) {
	t.Helper()
	timeout := c.timeout
	if timeout == 0 {
		timeout = functionTime
	}
	if c.login != (ending{}) && strings.HasPrefix(c.kind.name, "login") {
		c.want = c.login
	}
	if w.path = c.path; w.path == "" {
		w.path = "/v1/sync"
	}
	w.made++
	name := fmt.Sprintf("%s-%d", c.kind.label(), w.made)
	document, fields := c.kind.secret(t, w, c.expect)
	w.put(t, name, document)
	event := map[string]any{
		"job": "Job-" + name, "token": name[max(0, len(name)-60):], "secret": name, "attempts": 2, "timeout": "1s",
		"call": "GET https://" + w.target.address + w.path,
	}
	if c.expect != nil && fields["action"] == nil {
		event["expect"] = c.expect
	}
	maps.Copy(event, fields)
	token, job := event["token"].(string), event["job"].(string) //nolint:forcetypeassert // ours

	door := c.where(w)
	door.smash(c.breakage, c.only)
	r := w.invoke(t, event, timeout)
	if door.heal() == 0 {
		t.Error(errNoHit)
	}
	w.check(t, r, c.want, token, job, c.data)

	if c.want == rejected && door == w.issuer { // which is remembered for its version
		document, _ = c.kind.secret(t, w, c.expect)
		w.put(t, name, document)
	}
	event["job"], event["timeout"] = job+"-again", "6s"
	want := succeeded
	if c.path == rejectedPath {
		want = rejected
	}
	data := stored
	if c.data == accepted && want == succeeded {
		data = repeated
	}
	w.check(t, w.invoke(t, event, timeout), want, token, job+"-again", data)
}

// check compares a run with how it should have ended.
func (w *world) check(t *testing.T, r run, want ending, token, job string, data fate) {
	t.Helper()
	got := resultOf(r)
	if got != want || r.ErrorType != want.errorType() {
		t.Errorf("got %v %s, want %v\n%.2000s\n%.4000s", got, r.ErrorType, want, r.Message, r.stdout)
	}
	published, embedded := w.published(r, "Token", token)
	ofJob, embeddedOfJob := w.published(r, "Job", job)
	maps.Copy(published, ofJob)
	maps.Copy(embedded, embeddedOfJob)
	delete(published, "TokenDaysToExpiry")
	delete(embedded, "TokenDaysToExpiry")
	none := map[string]float64{}
	wanted, inLog := want.data(), none
	switch data {
	case lost:
		wanted, inLog = none, want.data()
		if want.verdict == "rejected" && !strings.Contains(r.Message, "metric could not be stored") {
			t.Errorf("the error does not say that the metric is lost: %.2000s", r.Message)
		}
	case accepted:
		wanted = none
	case repeated:
		delete(wanted, "TokenRejected")
	}
	if diff := cmp.Diff(wanted, published); diff != "" {
		t.Errorf("metrics: %s", diff)
	}
	if diff := cmp.Diff(inLog, embedded); diff != "" {
		t.Errorf("embedded metrics: %s", diff)
	}
}

// resultOf reads the run's own line.
func resultOf(r run) (e ending) {
	for line := range strings.Lines(r.stdout) {
		var fields struct {
			Message string
			Result  struct{ Outcome, Verdict string }
		}
		if json.Unmarshal([]byte(line), &fields) == nil && fields.Message == "run" {
			e = ending{fields.Result.Outcome, fields.Result.Verdict}
		}
	}
	return e
}

func (w *world) atTarget() *door { return w.target }

var jsonRule = map[string]any{"json": map[string]any{"/ok": true}}

// TestFaultsOfTheTarget: whatever the target does, a run ends in time with what it found, and the next one is good.
func TestFaultsOfTheTarget(t *testing.T) {
	t.Parallel()
	var list []trial
	for _, b := range share(broken(t), atTarget) {
		want := succeeded
		if b.gives == nothing {
			want = unreachable
		}
		list = append(list, trial{breakage: b.breakage, name: b.name, where: (*world).atTarget, want: want})
	}
	for _, b := range share(broken(t), atTargetWithRule) {
		want := targetFailed
		if b.gives == nothing {
			want = unreachable
		}
		list = append(list, trial{
			breakage: b.breakage, name: b.name + ", with a rule", where: (*world).atTarget, want: want, expect: jsonRule,
		})
	}
	for _, b := range share(odd(), atTarget) {
		want := targetFailed
		switch {
		case b.status == http.StatusUnauthorized:
			want = rejected
		case b.status < 300:
			want = succeeded
		}
		list = append(list, trial{breakage: b.breakage, name: b.name, where: (*world).atTarget, want: want})
	}
	list = append(list, echoesOfTheTarget()...)
	all(t, list, kinds())
}

// all makes the trials with every kind of secret, or each with one.
func all(t *testing.T, trials []trial, kinds []kind) {
	t.Helper()
	var list []trial
	for i, c := range trials {
		if !*everything {
			c.kind = kinds[(7*i+i/len(kinds))%len(kinds)]
			list = append(list, c)
			continue
		}
		for _, c.kind = range kinds {
			list = append(list, c)
		}
	}
	worlds(t, "caller", list, trial.String, try)
}

// echoesOfTheTarget repeat the token wherever an answer has room.
func echoesOfTheTarget() []trial {
	places := []struct {
		name  string
		want  ending
		reply func(echo string) (status int, header []string, body string)
	}{
		{"message of JSON", targetFailed, func(echo string) (int, []string, string) {
			text, _ := json.Marshal(map[string]any{"errors": []any{map[string]any{"message": "bad token " + echo}}})
			return 422, []string{"Content-Type", "application/json"}, string(text)
		}},
		{"message of JSON, unquoted", targetFailed, func(echo string) (int, []string, string) {
			return 500, []string{"Content-Type", "application/json"}, `{"error":"` + echo + `"}`
		}},
		{"text", targetFailed, func(echo string) (int, []string, string) {
			return 500, []string{"Content-Type", "text/plain"}, echo
		}},
		{"request id", targetFailed, func(echo string) (int, []string, string) {
			return 404, []string{"X-Request-Id", echo}, ""
		}},
		{"challenge", rejected, func(echo string) (int, []string, string) {
			return 401, []string{"WWW-Authenticate", `Bearer error="invalid_token", error_description="` + echo + `"`}, ""
		}},
		{"scope", targetFailed, func(echo string) (int, []string, string) {
			return 403, []string{"WWW-Authenticate", `Bearer error="insufficient_scope", scope="` + echo + `"`}, ""
		}},
		{"location", targetFailed, func(echo string) (int, []string, string) {
			return 302, []string{"Location", "https://host.example.com/" + echo + "?" + echo + "#" + echo}, ""
		}},
		{"rate limit and expiry", targetFailed, func(echo string) (int, []string, string) {
			return 403, []string{
				"Retry-After", echo, "X-Ratelimit-Reset", echo, "Github-Authentication-Token-Expiration", echo,
			}, ""
		}},
		{"compression", targetFailed, func(echo string) (int, []string, string) {
			return 500, []string{"Content-Encoding", echo, "Content-Type", echo}, echo
		}},
		{"success", succeeded, func(echo string) (int, []string, string) {
			return 200, []string{"X-Request-Id", echo, "Content-Type", echo}, echo
		}},
	}
	ways := encodings()
	var list []trial
	at := 0
	for _, way := range sorted(ways) {
		for i, place := range places {
			at++
			if !*everything && at%len(places) != i {
				continue
			}
			list = append(list, trial{
				name: fmt.Sprintf("echo, %s, %s", place.name, way), where: (*world).atTarget, want: place.want,
				breakage: breakage{serve: func(w http.ResponseWriter, r *http.Request) {
					echo := ways[way](strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
					status, header, body := place.reply(echo)
					for i := 1; i < len(header); i += 2 {
						header[i] = strings.Map(func(c rune) rune { // net/http sends nothing else
							if c < ' ' || c > '~' {
								return '.'
							}
							return c
						}, header[i])
					}
					answers(status, body, header...)(w, r)
				}},
			})
		}
	}
	return list
}

func (w *world) atIssuer() *door { return w.issuer }

func minting() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool { return !k.mints })
}

// TestFaultsOfTheIssuer: whatever a token endpoint or a login does, a run ends in time with what it found, and the next
// one is good.
func TestFaultsOfTheIssuer(t *testing.T) {
	t.Parallel()
	var list []trial
	add := func(name string, b breakage, want ending) {
		list = append(list, trial{breakage: b, name: name, where: (*world).atIssuer, want: want, timeout: 7 * time.Second})
	}
	for _, b := range share(broken(t), atIssuer) {
		add(b.name, b.breakage, unavailable)
		if b.unasked {
			list[len(list)-1].login = gone
		}
	}
	for _, b := range share(odd(), atIssuer) {
		want := unavailable
		if b.status == http.StatusUnauthorized {
			want = rejected
		}
		add(b.name, b.breakage, want)
		// A login has no codes: a 4xx that is not transient is a refusal, and a 2xx without a token a mistake.
		last := &list[len(list)-1]
		switch {
		case b.status < 300:
			last.login = gone
		case 400 <= b.status && b.status <= 499 && !slices.Contains([]int{408, 425, 429}, b.status):
			last.login = rejected
		}
	}
	ways := encodings()
	for _, way := range sorted(ways) {
		for status, want := range map[int]ending{400: rejected, 401: rejected, 500: rejected, 200: rejected} {
			if !*everything && status != 400 {
				continue
			}
			add(fmt.Sprintf("echo, %d, %s", status, way), breakage{serve: echoOfIssuer(status, ways[way])}, want)
			if status == http.StatusOK {
				list[len(list)-1].login = gone // it has no codes, and an answer without a token is a mistake
			} else if status == http.StatusInternalServerError {
				list[len(list)-1].login = unavailable
			}
		}
	}
	all(t, list, minting())
}

// echoOfIssuer repeats the whole request.
func echoOfIssuer(status int, encode func(string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // it is in memory
		header := r.Header.Get("Authorization")
		plain, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Basic "))
		text, _ := json.Marshal(map[string]any{ // two strings
			"error":             "invalid_client",
			"error_description": encode(string(plain) + " " + header + " " + string(body)),
		})
		answers(status, string(text), "Content-Type", "application/json")(w, r)
	}
}

func (w *world) atSecrets() *door { return w.secrets }

// permanent are the codes of GetSecretValue that no retry fixes (design.md, section 13).
var permanent = []string{
	"ResourceNotFoundException", "InvalidRequestException", "AccessDenied", "AccessDeniedException", "DecryptionFailure",
}

// TestFaultsOfSecretsManager: whatever it answers, only what needs someone says that the token is dead.
func TestFaultsOfSecretsManager(t *testing.T) {
	t.Parallel()
	var list []trial
	add := func(name string, b breakage, want ending) {
		list = append(list, trial{breakage: b, name: name, where: (*world).atSecrets, want: want, timeout: 11 * time.Second})
	}
	for _, code := range codes(t, "secretsmanager") {
		want := unavailable
		if slices.Contains(permanent, code) {
			want = gone
		}
		add(code, breakage{serve: asJSON(code, "It failed. "+strings.Repeat("why, ", 1000))}, want)
	}
	for _, b := range share(broken(t), atSecrets) {
		add(b.name, b.breakage, unavailable)
	}
	for _, b := range share(odd(), atSecrets) {
		add(b.name, b.breakage, unavailable)
	}
	for name, body := range map[string]string{
		"nothing": "", "null": "null", "list": "[]", "text": `"x"`, "number": "1", "page": "<html><body>hello</body></html>",
		"no members": "{}", "half": `{"SecretString":"fake-token-that-is-c`, "depth": strings.Repeat("[", 100000),
		"number for the value": `{"SecretString":1}`, "list for the value": `{"SecretString":["a"]}`,
		"text for the time": `{"SecretString":"fake-token-of-a-lie","CreatedDate":"yesterday"}`,
		"bad base64":        `{"SecretBinary":"***"}`,
		"over 1 MiB":        `{"SecretString":"` + strings.Repeat("x", 2<<20) + `"}`,
		"zero bytes":        strings.Repeat("\x00", 100),
	} {
		add("200 with "+name, breakage{serve: answers(200, body, "Content-Type", "application/x-amz-json-1.1")}, unavailable)
	}
	for name, value := range map[string]string{
		"an empty value": `""`, "a value of spaces": `"   "`, "half a document": `"{\"token\":\"fake-to"`,
		"a number for a token": `"{\"token\":1}"`, "a value of 60 KB": `"` + strings.Repeat("x", 60<<10) + `"`,
		"zero bytes for a value": `"\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"`,
	} {
		add("200 with "+name, breakage{serve: answers(200, `{"SecretString":`+value+`,"VersionId":"v"}`)}, gone)
	}
	for name, lie := range map[string]string{
		"another secret's ARN":      `"ARN":"arn:aws:secretsmanager:eu-west-1:1234:secret:other-AbCdEf","Name":"other"`,
		"no version":                `"ARN":"x"`,
		"a version of 1 MB":         `"VersionId":"` + strings.Repeat("v", 900<<10) + `"`,
		"a time beyond all":         `"VersionId":"v","CreatedDate":1e18`,
		"a time below zero":         `"VersionId":"v","CreatedDate":-1e18`,
		"members that no one knows": `"VersionId":"v","New":{"a":[1,{"b":null}]},"SecretString":null,"Owner":7`,
	} {
		add("a token with "+name, breakage{
			serve: answers(200, `{`+lie+`,"SecretString":"{\"token\":\"fake-token-1\",\"api_key\":\"fake-key-1\"}"}`),
		}, succeeded)
	}
	add("echo", breakage{serve: echoOfAWS(asJSON)}, unavailable)
	all(t, list, kinds())
}

// echoOfAWS is AWS's answer to a wrong signature: it quotes the whole request.
func echoOfAWS(form failing) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session := r.Header.Get("X-Amz-Security-Token")
		form("InvalidSignatureException", "The signature of "+session+" does not match. The Canonical String was\n"+
			"'POST\n/\n\nx-amz-security-token:"+session+"\n'")(w, r)
	}
}

func (w *world) atMetrics() *door { return w.metrics }

// TestFaultsOfCloudWatch: reporting changes nothing, and what is not stored is in the log.
func TestFaultsOfCloudWatch(t *testing.T) {
	t.Parallel()
	var list []trial
	add := func(name string, b breakage, data fate) {
		first := len(list) % 2
		for i, want := range []ending{succeeded, rejected} {
			if !*everything && i != first {
				continue // each fault once
			}
			path := []string{"", rejectedPath}[i]
			list = append(list, trial{
				breakage: b, name: name + " " + want.outcome, where: (*world).atMetrics, path: path, want: want, data: data,
				only: of("PutMetricData"),
			})
		}
	}
	for _, code := range codes(t, "cloudwatch") {
		add(code, breakage{serve: asCBOR(code, "It failed. "+strings.Repeat("why, ", 1000))}, lost)
	}
	for _, b := range share(broken(t), atMetrics) {
		data := lost
		if b.unasked {
			data = accepted
		}
		add(b.name, b.breakage, data)
	}
	for _, b := range share(odd(), atMetrics) {
		data := lost
		if b.status < 300 {
			data = accepted
		}
		add(b.name, b.breakage, data)
	}
	for name, body := range map[string]string{
		"nothing": "", "JSON": "{}", "a page": "<html></html>", "a member": "\xa1\x68anything\x01", "half": "\xa1\x68any",
		"depth": strings.Repeat("\x81", 100000), "a length beyond all": "\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		add("200 with "+name, breakage{
			serve: answers(200, body, "Content-Type", "application/cbor", "Smithy-Protocol", "rpc-v2-cbor"),
		}, accepted)
	}
	add("echo", breakage{serve: echoOfAWS(asCBOR)}, lost)
	all(t, list, kinds())
}

// TestFaultsOfReminders: that a rejection is reminded of changes nothing of its run.
func TestFaultsOfReminders(t *testing.T) {
	t.Parallel()
	var list []trial
	for _, operation := range []string{"DescribeAlarms", "SetAlarmState"} {
		add := func(name string, b breakage) {
			list = append(list, trial{
				breakage: b, name: operation + ", " + name, where: (*world).atMetrics, path: rejectedPath, want: rejected,
				only: of(operation),
			})
		}
		for i, code := range codes(t, "cloudwatch") {
			if *everything || i%8 == 0 { // a reminder waits for up to three seconds
				add(code, breakage{serve: asCBOR(code, "It failed.")})
			}
		}
		for _, b := range share(broken(t), atReminders) {
			if b.serve != nil {
				add(b.name, b.breakage)
			}
		}
		for name, body := range map[string]string{
			"nothing": "", "JSON": "{}", "a member": "\xa1\x68anything\x01", "half": "\xa1\x68any",
			"depth": strings.Repeat("\x81", 100000), "a length beyond all": "\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
			"alarms that are a number": "\xa1\x6cMetricAlarms\x01", "an alarm that is null": "\xa1\x6cMetricAlarms\x81\xf6",
			"a list beyond all": "\xa1\x6cMetricAlarms\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
		} {
			add("200 with "+name, breakage{
				serve: answers(200, body, "Content-Type", "application/cbor", "Smithy-Protocol", "rpc-v2-cbor"),
			})
		}
	}
	var chosen []trial
	for i, c := range list {
		c.kind = kinds()[7*i%len(kinds())]
		chosen = append(chosen, c)
	}
	worlds(t, "caller", chosen, trial.String, func(t *testing.T, w *world, c trial) {
		t.Helper()
		w.longRejected(t, fmt.Sprintf("%s-%d", c.kind.label(), w.made+1))
		try(t, w, c)
	})
}

// longRejected makes the alarm of a token one that is due for a reminder.
func (w *world) longRejected(t *testing.T, token string) {
	t.Helper()
	name, since := stack+"-TokenRejected-"+token[max(0, len(token)-60):], time.Now().Add(-48*time.Hour)
	must(t, w.monitor.Put(alarm.Alarm{
		Name: name, Namespace: "Cronbearer", MetricName: "TokenRejected", Statistic: "Maximum", Period: time.Minute,
		EvaluationPeriods: 1, DatapointsToAlarm: 1, Threshold: 1, ComparisonOperator: "GreaterThanOrEqualToThreshold",
		TreatMissingData: "ignore", ActionsEnabled: true, Dimensions: []alarm.Dimension{{Name: "Token", Value: token}},
	}, since))
	_, err := w.monitor.SetState(name, "ALARM", "it was rejected", "{}", since)
	must(t, err)
}

func (w *world) atIdentity() *door { return w.identity }

// TestFaultsOfSTS: whatever it answers, only what needs someone says that the identity is dead.
func TestFaultsOfSTS(t *testing.T) {
	t.Parallel()
	lasting := []string{
		"AccessDenied", "AccessDeniedException", "OutboundWebIdentityFederationDisabledException",
		"JWTPayloadSizeExceededException", "OutboundWebIdentityFederationDisabled", "JWTPayloadSizeExceeded",
	}
	var list []trial
	add := func(name string, b breakage, want ending) {
		list = append(list, trial{breakage: b, name: name, where: (*world).atIdentity, want: want, timeout: 11 * time.Second})
	}
	for _, code := range append(codes(t, "sts"), lasting...) {
		want := unavailable
		if slices.Contains(lasting, code) {
			want = gone
		}
		add(code, breakage{serve: asXML(code, "It failed.")}, want)
	}
	for _, b := range share(broken(t), atIdentity) {
		add(b.name, b.breakage, unavailable)
	}
	for _, b := range share(odd(), atIdentity) {
		add(b.name, b.breakage, unavailable)
	}
	for name, body := range map[string]string{
		"nothing": "", "JSON": "{}", "half": "<GetWebIdentityTokenResponse><WebIdentityToken>eyJ",
		"an empty token": "<WebIdentityToken></WebIdentityToken>", "depth": strings.Repeat("<a>", 100000),
	} {
		add("200 with "+name, breakage{serve: answers(200, body, "Content-Type", "text/xml")}, unavailable)
	}
	add("echo", breakage{serve: echoOfAWS(asXML)}, unavailable)
	all(t, list, slices.DeleteFunc(kinds(), func(k kind) bool { return !k.identity }))
}
