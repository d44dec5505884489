package importer_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/importer"
	"github.com/cronbearer/cronbearer/internal/dev/mutate"
	"github.com/cronbearer/cronbearer/internal/dev/schedule"
	"github.com/cronbearer/cronbearer/internal/request"
)

// canaries are tokens by their shape. The last two are none: only their place says what they are.
var canaries = map[string]string{
	"GitHub":   "ghp_Zq3xV9kL2mN8pR4tW7yB1cD5fG6hJ0sA1bC2",
	"hex":      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
	"JWT":      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.Zq3xV9kL2mN8pR4tW7yB1cD5fG6h",
	"Slack":    "xoxb-123456789012-AbCdEfGhIjKlMnOpQrStUvWx",
	"password": "correct-horse-battery",
	"UUID":     "3f2c1b4a-8d7e-4f60-9a1b-2c3d4e5f6071",
}

// places are those of a credential in each kind of source; @@ stands for it. The value marks whether its place or name
// alone gives it away: where it does not, only what looks like a token is tried.
func places() map[string]map[string]bool {
	const rest = " https://api.example.com/v1/run"
	lines := map[string]bool{
		`curl -H "Authorization: Bearer @@"` + rest:                             true,
		`curl -sSfH 'authorization: bearer @@'` + rest:                          true,
		`curl -H "Authorization: @@"` + rest:                                    true,
		`curl -H "Authorization: token @@"` + rest:                              true,
		`curl -H "Authorization: Basic @@"` + rest:                              true,
		`curl -H "Authorization: Digest a=b, response=@@"` + rest:               true,
		`curl -H Authorization:\ Bearer\ @@` + rest:                             true,
		`curl --oauth2-bearer @@` + rest:                                        true,
		`curl --oauth2-bearer @@ -k` + rest:                                     true,
		`curl -H "X-Api-Key: @@"` + rest:                                        true,
		`curl -H "X-Custom: @@"` + rest:                                         false,
		`curl -H "@@: 1"` + rest:                                                false,
		`curl -A @@` + rest:                                                     false,
		`curl -u me:@@` + rest:                                                  true,
		`curl -ume:@@` + rest:                                                   true,
		`curl --user "me:@@"` + rest:                                            true,
		`curl https://me:@@@api.example.com/v1/run`:                             true,
		`curl https://@@@api.example.com/v1/run`:                                true,
		`curl "https://api.example.com/v1/run?token=@@"`:                        true,
		`curl "https://api.example.com/v1/run?a=1&api_key=@@&b=2"`:              true,
		`curl "https://api.example.com/v1/run?q=@@"`:                            false,
		`curl "https://api.example.com/v1/run?@@"`:                              false,
		`curl -G -d access_token=@@` + rest:                                     true,
		`curl --url-query sig=@@` + rest:                                        true,
		`curl --oauth2-bearer $T https://hooks.example.com/services/@@`:         false,
		`curl --oauth2-bearer $T https://@@.example.com/`:                       false,
		`curl --oauth2-bearer $T https://api.example.com/v1/run#@@`:             false,
		`curl --oauth2-bearer $T --json '{"token":"@@"}'` + rest:                true,
		`curl --oauth2-bearer $T --json '{"a":{"b":[{"Secret":"@@"}]}}'` + rest: true,
		`curl --oauth2-bearer $T --json '{"a":{"b":["@@"]}}'` + rest:            false,
		`curl --oauth2-bearer $T --json '{"@@":1}'` + rest:                      false,
		`curl --oauth2-bearer $T -d 'x=1&password=@@'` + rest:                   true,
		`curl --oauth2-bearer $T --data-urlencode 'client_secret=@@'` + rest:    true,
		`curl --oauth2-bearer $T -d 'text=@@'` + rest:                           false,
		`curl --oauth2-bearer $T -d @-` + rest + `%{"token":"@@"}`:              true,
		`curl --oauth2-bearer $T -b session=@@` + rest:                          true,
		`curl --oauth2-bearer $T -H "Cookie: session=@@"` + rest:                true,
		`curl --oauth2-bearer $T -X @@` + rest:                                  false,
		`curl --oauth2-bearer $T --@@` + rest:                                   false,
		`curl --oauth2-bearer $T -o /tmp/@@` + rest:                             false,
		`curl --oauth2-bearer $T` + rest + ` | tee @@`:                          false,
		`curl --oauth2-bearer $T` + rest + ` > @@`:                              false,
		`curl --oauth2-bearer $T` + rest + ` && curl https://hc-ping.com/@@`:    false,
		`TOKEN=@@ curl --oauth2-bearer "$TOKEN"` + rest:                         true,
		`TOKEN=@@; curl --oauth2-bearer "$TOKEN"` + rest:                        true,
		`env TOKEN=@@ curl --oauth2-bearer "$TOKEN"` + rest:                     true,
		`curl --oauth2-bearer "${TOKEN:-@@}"` + rest:                            true,
		`curl --oauth2-bearer "$(vault @@)"` + rest:                             false,
		`curl "$@@"`:                                   false,
		`curl --oauth2-bearer "$@@"` + rest:            false,
		`flock /run/@@ curl --oauth2-bearer $T` + rest: false,
		`@@`:                         false,
		`mysqldump --password=@@ db`: true,
		`/opt/@@/run.sh`:             false,
		`sh -c 'curl --oauth2-bearer @@` + rest + `'`: true,
		`curl -H "Authorization: Bearer @@`:           true,
	}
	crontab := map[string]bool{
		"TOKEN=@@\n0 0 * * * curl --oauth2-bearer $TOKEN https://api.example.com/v1/run": true,
		"TOKEN=@@\n0 0 * * * curl https://api.example.com/v1/run/$TOKEN":                 true,
		"OTHER=@@\n0 0 * * * curl --oauth2-bearer $T https://api.example.com/v1/$OTHER":  false,
		"@@=1\n": false,
		"CRON_TZ=@@\n0 0 * * * curl --oauth2-bearer $T https://api.example.com/v1/run":                            false,
		"TZ=@@\nCRON_TZ=Asia/Tokyo\n0 0 * * * curl --oauth2-bearer $T 'https://api.example.com/?a='$(date +\\%F)": false,
		"# curl -H 'Authorization: Bearer @@'\n":                                                                  true,
		"@@ 0 * * * curl --oauth2-bearer $T https://api.example.com/v1/run":                                       false,
		"@@@ curl --oauth2-bearer $T https://api.example.com/v1/run":                                              false,
		"0 0 * * * @@ curl --oauth2-bearer $T https://api.example.com/v1/run":                                     false,
	}
	for command, named := range lines {
		crontab["0 0 * * * "+command+"\n"] = named
	}
	const steps = "jobs: { a: { steps: [{ run: 'curl --oauth2-bearer $TOKEN https://a.example.com/' }] } }"
	workflow := map[string]bool{
		"on: { schedule: [{ cron: '@@' }] }\n" + steps:                              false,
		"on: { schedule: [{ cron: '0 0 * * *', timezone: '@@' }] }\n" + steps:       false,
		"on: { schedule: [{ cron: '0 0 * * *' }] }\nenv: { TOKEN: '@@' }\n" + steps: true,
		"a: [@@": false,
	}
	pod := func(name, schedule, container string) string {
		return "kind: CronJob\nmetadata: { name: '" + name + "' }\nspec: { schedule: '" + schedule + "', " +
			"jobTemplate: { spec: { template: { spec: { containers: [{ " + container + " }] } } } } }\n"
	}
	const call = "command: [curl, --oauth2-bearer, $(TOKEN), 'https://a.example.com/']"
	pods := map[string]bool{
		pod("@@", "0 0 * * *", call):                                                           false,
		pod("a", "0 0 * * *", "env: [{ name: TOKEN, value: '@@' }], "+call):                    true,
		pod("a", "@@", "image: curl, args: [--oauth2-bearer, '@@', 'https://a.example.com/']"): true,
	}
	for command, named := range lines {
		quoted, _ := json.Marshal(command)
		workflow["on: { schedule: [{ cron: '0 0 * * *' }] }\n"+
			"jobs:\n  a:\n    steps:\n      - run: "+string(quoted)+"\n"] = named
		pods[pod("a", "0 0 * * *", "command: [sh, -c, "+string(quoted)+"]")] = named
	}
	const midnight = `"schedule":{"minutes":[0],"hours":[0],"mdays":[-1],"months":[-1],"wdays":[-1]},`
	org, gcp := map[string]bool{}, map[string]bool{}
	for where, named := range map[string]bool{
		`"headers":{"Authorization":"Bearer @@"},"body":""`: true, `"headers":{"X-Auth-Token":"@@"},"body":""`: true,
		`"headers":{"X-A":"@@"},"body":""`: false, `"headers":{},"body":"{\"password\":\"@@\"}"`: true,
		`"headers":{},"body":"@@"`: false, `"headers":{"Authorization":"Basic @@"},"body":""`: true,
	} {
		org[`{"jobId":1,"title":"t","url":"https://api.example.com/",`+midnight+
			`"requestMethod":1,"extendedData":{`+where+`}}`] = named
	}
	for where, named := range map[string]bool{
		`"title":"@@","url":"https://api.example.com/?token=1234"`: false,
		`"title":"","url":"https://api.example.com/?key=@@"`:       true,
		`"title":"","url":"https://a:@@@api.example.com/"`:         true, `"url":"https://api.example.com/@@"`: false,
		`"url":"https://api.example.com/","auth":{"enable":true,"user":"u","password":"@@"}`: true,
	} {
		org[`{"jobs":[{"jobId":1,`+where+`,`+midnight+`"extendedData":{"headers":[],"body":""}}]}`] = named
	}
	for where, named := range map[string]bool{
		`"uri":"https://api.example.com/","headers":{"Authorization":"Bearer @@"}`:      true,
		`"uri":"https://api.example.com/?access_token=@@"`:                              true,
		`"uri":"https://api.example.com/@@"`:                                            false,
		`"uri":"https://api.example.com/","oidcToken":{"audience":"@@"}`:                false,
		`"uri":"https://api.example.com/","body":"BASE64","headers":{"X-Token":"1234"}`: true,
	} {
		gcp[`[{"name":"projects/p/jobs/@","schedule":"0 0 * * *","httpTarget":{`+where+`}}]`] = named
	}
	const target = `"httpTarget":{"uri":"https://api.example.com/?token=12345"}`
	gcp[`[{"name":"projects/p/jobs/@@","schedule":"0 0 * * *",`+target+`}]`] = false
	gcp[`[{"name":"a","schedule":"@@",`+target+`}]`] = false
	return map[string]map[string]bool{
		"crontab": crontab, "github": workflow, "k8s": pods, "cronjob-org": org, "gcp": gcp, "eventbridge": rules(),
	}
}

// rules are the places of EventBridge: of a rule, its target, its API destination and its connection.
func rules() map[string]bool {
	source := func(rule, target, url, connection string) string {
		return `{"Name":"` + rule + `","ScheduleExpression":"cron(0 9 * * ? *)"}` +
			`{"Targets":[{"Arn":"a:api-destination/d"` + target + `}]}` +
			`{"ApiDestinations":[{"ApiDestinationArn":"a:api-destination/d","ConnectionArn":"c","HttpMethod":"POST",` +
			`"InvocationEndpoint":"` + url + `"}]}{"ConnectionArn":"c","Name":"n","AuthorizationType":"API_KEY",` +
			`"AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"X-Api-Key"}` + connection + `}}`
	}
	const location = "https://api.example.com/v1/run"
	extra := func(kind, key string) string {
		return `,"InvocationHttpParameters":{"` + kind + `":[{"Key":"` + key + `","Value":"@@","IsValueSecret":false}]}`
	}
	return map[string]bool{
		source("@@", "", location, ""):                                                                       false,
		source("r", "", location+"?token=@@", ""):                                                            true,
		source("r", "", location+"/@@", ""):                                                                  false,
		source("r", "", "https://me:@@@api.example.com/", ""):                                                true,
		source("r", `,"HttpParameters":{"HeaderParameters":{"X-Token":"@@"}}`, location, ""):                 true,
		source("r", `,"HttpParameters":{"HeaderParameters":{"X-A":"@@"}}`, location, ""):                     false,
		source("r", `,"HttpParameters":{"QueryStringParameters":{"api_key":"@@"}}`, location, ""):            true,
		source("r", `,"HttpParameters":{"PathParameterValues":["@@"]}`, location+"/*", ""):                   false,
		source("r", `,"Input":"{\"password\":\"@@\"}"`, location, ""):                                        true,
		source("r", `,"Input":"{\"a\":[\"@@\"]}"`, location, ""):                                             false,
		source("r", `,"InputTransformer":{"InputTemplate":"{\"secret\":\"@@\"}"}`, location, ""):             true,
		source("r", `,"InputTransformer":{"InputPathsMap":{"@@":"$.id"},"InputTemplate":"1"}`, location, ""): false,
		source("r", "", location, extra("HeaderParameters", "X-Auth-Token")):                                 true,
		source("r", "", location, extra("QueryStringParameters", "sig")):                                     true,
		source("r", "", location, extra("BodyParameters", "client_secret")):                                  true,
		`{"Name":"r","ScheduleExpression":"@@"}{"Targets":[{"Arn":"arn:aws:@@:x:y:z"}]}`:                     false,
		`{"Schedules":[{"Name":"@@","ScheduleExpression":"@@","Target":{"Arn":"@@"}}]}`:                      false,
	}
}

// everything is what a source comes to, the error included.
func everything(kind, source string) (string, *importer.Result) {
	result, err := importer.Import(kind, []byte(source), importer.Options{Now: now, Until: now.AddDate(0, 1, 0)})
	text, marshalErr := json.Marshal(result)
	return fmt.Sprintf("%s %v %v %+v", text, err, marshalErr, result), result
}

// TestTokensOfASourceAreNowhereInTheResult puts a canary into every place of every kind of source, and looks for it,
// and for its halves, in all that comes back. Where it is in plain text, its line is named.
func TestTokensOfASourceAreNowhereInTheResult(t *testing.T) {
	t.Parallel()
	tried := 0
	for kind, sources := range places() {
		for source, named := range sources {
			for shape, canary := range canaries {
				if !named && (shape == "password" || shape == "UUID") {
					continue
				}
				tried++
				text := strings.ReplaceAll(source, "@@", canary)
				body := base64.StdEncoding.EncodeToString([]byte(`{"secret":"` + canary + `"}`))
				text = strings.ReplaceAll(text, "BASE64", body)
				got, result := everything(kind, text)
				half := canary[len(canary)/2:]
				for _, piece := range []string{canary, canary[:len(canary)/2], half, body} {
					if strings.Contains(strings.ToLower(got), strings.ToLower(piece)) {
						t.Errorf("%s, a %s: %s\n%s", kind, shape, text, got)
					}
				}
				if named && result != nil && len(result.PlainText) == 0 {
					t.Errorf("%s, a %s: no line is named: %s", kind, shape, text)
				}
			}
		}
	}
	if tried < 500 { //nolint:mnd // what there is
		t.Errorf("%d places are too few", tried)
	}
}

// FuzzImport holds that whatever the source, a token by its shape comes back from none; that each entry has jobs or the
// reason why not; and that each job has a name of its own, a schedule that AWS accepts, a call that the caller accepts,
// and its host and token among those of the result.
func FuzzImport(fuzz *testing.F) {
	f := mutate.New(fuzz)
	f.Try(100) // each takes milliseconds
	kinds := importer.Kinds()
	for i, k := range kinds {
		for source := range places()[k.Name] {
			f.Add(i, source)
		}
	}
	for _, name := range []string{
		"corpus.crontab", "workflow.yml", "cronjobs.yaml", "cronjob-org.json", "gcloud.json", "eventbridge.json",
	} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for i := range kinds {
			f.Add(i, string(data))
		}
	}
	canary := canaries["GitHub"]
	f.Fuzz(func(t *testing.T, kind int, source string) {
		if kind < 0 || kind >= len(kinds) || len(source) > 10_000 {
			return
		}
		got, result := everything(kinds[kind].Name, strings.ReplaceAll(source, "@@", canary))
		if result != nil {
			usable(t, source, result)
		}
		if strings.Contains(strings.ToLower(got), strings.ToLower(canary[4:])) {
			t.Errorf("the token comes back: %s", got)
		}
	})
}

// usable checks what an import leads to.
func usable(t *testing.T, source string, result *importer.Result) {
	t.Helper()
	names := map[string]bool{}
	for _, e := range result.Entries {
		if (len(e.Jobs) == 0) != (e.Reason != "") {
			t.Errorf("%q: line %d has %d jobs, and the reason %q", source, e.Line, len(e.Jobs), e.Reason)
		}
		for _, job := range e.Jobs {
			if names[job.Name] || job.Name == "" {
				t.Errorf("%q: a second job %q", source, job.Name)
			}
			names[job.Name] = true
			if _, err := schedule.Parse(job.Schedule, job.Timezone); err != nil {
				t.Errorf("%q: %v", source, err)
			}
			call, problems := request.ParseCall(job.Call)
			if len(problems) > 0 {
				t.Errorf("%q: %q: %q", source, job.Call, problems)
			}
			if !slices.Contains(result.Hosts, strings.ToLower(strings.TrimSuffix(call.Host(), "."))) {
				t.Errorf("%q: host %q is not in %q", source, call.Host(), result.Hosts)
			}
			if !slices.ContainsFunc(result.Tokens, func(token importer.Token) bool { return token.Name == job.Token }) {
				t.Errorf("%q: token %q is not listed", source, job.Token)
			}
		}
	}
}
