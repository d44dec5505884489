package importer_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/edit"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/importer"
	"github.com/cronbearer/cronbearer/internal/dev/lint"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// one imports a crontab of one command at midnight.
func one(t *testing.T, before, command string, o importer.Options) (importer.Entry, *importer.Result) {
	t.Helper()
	o.Now = now
	result, err := importer.Import("crontab", []byte(before+"0 0 * * * "+command+"\n"), o)
	if err != nil || len(result.Entries) != 1 {
		t.Fatalf("%d entries, %v", len(result.Entries), err)
	}
	return result.Entries[0], result
}

// A curlRow has a command and what is made of it.
type curlRow struct {
	command string
	want    importer.Job
	note    string
}

const variables = "API_TOKEN=s3cretvalue\nBASE=https://api.example.com/v1\n"

// curlRows are commands that are taken over. Each sends a token unless it says otherwise.
func curlRows() map[string]curlRow {
	const bearer = `-H "Authorization: Bearer $API_TOKEN" `
	return map[string]curlRow{
		"a URL alone is a GET": {
			command: "curl " + bearer + "https://api.example.com/v1/sync",
			want:    importer.Job{Name: "Sync", Call: "GET https://api.example.com/v1/sync"},
		},
		"-X": {
			command: "curl -X DELETE " + bearer + "https://api.example.com/v1/old",
			want:    importer.Job{Name: "OldDelete", Call: "DELETE https://api.example.com/v1/old"},
		},
		"-X without a space, in lower case": {
			command: "curl -Xput " + bearer + "https://api.example.com/v1/old",
			want:    importer.Job{Name: "OldPut", Call: "PUT https://api.example.com/v1/old"},
		},
		"-I is HEAD": {
			command: "curl -I " + bearer + "https://api.example.com/v1/old",
			want:    importer.Job{Name: "OldHead", Call: "HEAD https://api.example.com/v1/old"},
		},
		"several letters in one word": {
			command: `curl -fsSXPOST -sH "Authorization: Bearer $API_TOKEN" https://api.example.com/v1/run`,
			want:    importer.Job{Name: "RunPost", Call: "POST https://api.example.com/v1/run"},
		},
		"-d is a form, joined by &": {
			command: "curl -d a=1 --data b=2 " + bearer + "https://api.example.com/v1/run",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `"a=1&b=2"`,
				Headers: `{"Content-Type":"application/x-www-form-urlencoded"}`,
			},
		},
		"-d with a JSON header is JSON, and compact": {
			command: `curl -d '{ "kind" : "daily", "n": 1.50 }' -H 'content-type: application/json' ` + bearer +
				"https://api.example.com/v1/run",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `{"kind":"daily","n":1.50}`,
				Headers: `{"Content-Type":"application/json"}`,
			},
		},
		"--data-raw does not read files": {
			command: "curl --data-raw @name " + bearer + "https://api.example.com/v1/run",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `"@name"`,
				Headers: `{"Content-Type":"application/x-www-form-urlencoded"}`,
			},
		},
		"--data-urlencode": {
			command: `curl --data-urlencode 'text=a b&c' ` + bearer + "https://api.example.com/v1/run",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `"text=a%20b%26c"`,
				Headers: `{"Content-Type":"application/x-www-form-urlencoded"}`,
			},
		},
		"--json sets both headers": {
			command: `curl --json '{"a":[1,true]}' ` + bearer + "https://api.example.com/v1/run",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `{"a":[1,true]}`,
				Headers: `{"Accept":"application/json"}`,
			},
		},
		"-G puts the data into the query": {
			command: "curl -G -d a=1 -d b=2 " + bearer + `"https://api.example.com/v1/run?c=3"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run?c=3&a=1&b=2"},
		},
		"--url, --url-query and -A": {
			command: "curl --url https://api.example.com/v1/run --url-query x=1 -A me/1.0 " + bearer,
			want: importer.Job{
				Name: "Run", Call: "GET https://api.example.com/v1/run?x=1", Headers: `{"User-Agent":"me/1.0"}`,
			},
		},
		"-m and --retry": {
			command: "curl -m 2.5 --retry 4 --retry-delay 3 " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Timeout: "3s", Attempts: 5},
		},
		"time-out and attempts have a most": {
			command: "curl --max-time 3600 --retry 99 " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Timeout: "840s", Attempts: 10},
			note:    "its time-out of 3600s becomes 840s, the longest there is",
		},
		"--oauth2-bearer": {
			command: "curl --oauth2-bearer $API_TOKEN https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"-o, redirections and quiet options change nothing": {
			command: "curl -sS --compressed -o /dev/null -w '\\%{http_code}' " + bearer +
				"https://api.example.com/v1/run >/dev/null 2>&1",
			want: importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"a file for the answer is said": {
			command: "curl " + bearer + "https://api.example.com/v1/run >> /var/log/run.log",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
			note:    "the answer is kept in no file; the log line of the run has what it means",
		},
		"headers are kept, and one without a value is none": {
			command: `curl -H 'Accept: text/plain' -H 'X-Trace:' -H 'Connection: close' ` + bearer +
				"https://api.example.com/v1/run",
			want: importer.Job{
				Name: "Run", Call: "GET https://api.example.com/v1/run", Headers: `{"Accept":"text/plain"}`,
			},
		},
		"timeout, flock, nice and env": {
			command: "env A=1 nice -n 10 flock -w 5 /run/x timeout -k 5 2m curl " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Timeout: "120s"},
			note:    "flock is left out: two starts of a job are two runs with keys of their own",
		},
		"flock -c and sh -c": {
			command: `flock /run/x -c "sh -c 'curl --oauth2-bearer $API_TOKEN https://api.example.com/v1/run'"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"sudo, a path and cd": {
			command: "cd /tmp && sudo -u www /usr/bin/curl " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"the system's form has a user": {
			command: "www-data curl " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"pings are left out": {
			command: "curl " + bearer + "https://api.example.com/v1/run && curl -fsS -m 10 https://hc-ping.com/x",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
			note:    "the ping of hc-ping.com is left out: Silent-<job> does that work",
		},
		"what follows || is left out": {
			command: "curl " + bearer + "https://api.example.com/v1/run || echo it failed",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
			note:    "what follows || is left out: failed runs are kept and raise an alarm",
		},
		"an escaped % is a %, and a date is a placeholder": {
			command: "curl " + bearer + `"https://api.example.com/v1/run?for=$(date -u +\%F)"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run?for={{scheduledDate}}"},
		},
		"yesterday": {
			command: "curl " + bearer + `"https://api.example.com/v1/run?for=$(date -u -d '1 day ago' +\%Y-\%m-\%d)"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run?for={{scheduledDate-1d}}"},
		},
		"a local date in UTC is said": {
			command: "curl " + bearer + "https://api.example.com/v1/run/`date -d yesterday +\\%F`",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run/{{scheduledDate-1d}}"},
			note:    "$(date +%F) → {{scheduledDate-1d}}: it is UTC; the source's was the machine's zone",
		},
		"a time": {
			command: "curl " + bearer + `--json '{"at":"'$(date -u +\%FT\%TZ)'"}' https://api.example.com/v1/run`,
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `{"at":"{{scheduledTime}}"}`,
				Headers: `{"Accept":"application/json"}`,
			},
		},
		"what follows a bare % is the input": {
			command: "curl --data-binary @- -H 'Content-Type: text/csv' " + bearer + "https://api.example.com/v1/run%a,b%1,2",
			want: importer.Job{
				Name: "RunPost", Call: "POST https://api.example.com/v1/run", Body: `"a,b\n1,2"`,
				Headers: `{"Content-Type":"text/csv"}`,
			},
		},
		"variables of the crontab are filled": {
			command: "curl " + bearer + `"$BASE/run"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"a default of the shell counts where there is no variable": {
			command: "curl " + bearer + `"https://${HOST_NAME:-api.example.com}/v1/run"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
		},
		"spaces and letters beyond ASCII are percent-encoded, a fragment goes": {
			command: "curl " + bearer + `"https://api.example.com/v1/run?q=a b&n=é#top"`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run?q=a%20b&n=%C3%A9"},
		},
		"a key in the query becomes the token": {
			command: "curl 'https://api.example.com/v1/run?api_key=0123abcd&x=1'",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run?x=1", Token: "ExampleApi"},
			note: "its token was in the query; Cronbearer sends Authorization: Bearer, " +
				"which the endpoint must accept",
		},
		"a key in a header becomes the token": {
			command: "curl -H 'x-api-key: 0123abcd' https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Token: "ExampleApi"},
			note: "its token was in the header X-Api-Key; Cronbearer sends Authorization: Bearer, " +
				"which the endpoint must accept",
		},
		"another scheme is said": {
			command: "curl -H 'Authorization: token 0123abcd' https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Token: "ExampleApi"},
			note: "its token was in Authorization: token; Cronbearer sends Authorization: Bearer, " +
				"which the endpoint must accept",
		},
		"a token from a file has the name of its host": {
			command: `curl -H "Authorization: Bearer $(cat /etc/token)" https://api.example.co.uk/v1/run`,
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.co.uk/v1/run", Token: "ExampleApi"},
		},
		"a host is written as AllowedHosts has it": {
			command: "curl " + bearer + "HTTPS://API.Example.com:443/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://API.Example.com:443/v1/run"},
		},
		"a private name is said": {
			command: "curl " + bearer + "https://api.corp.internal/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.corp.internal/v1/run"},
			note: "api.corp.internal is a name of a private network: VpcSubnetIds and VpcSecurityGroupIds " +
				"let the caller reach it",
		},
		"sleep with a random number is left out": {
			command: "sleep $((RANDOM \\% 60)); curl " + bearer + "https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run"},
			note:    "sleep is left out: Window spreads starts",
		},
		"a call without a token has the one of --token": {
			command: "curl https://api.example.com/v1/run",
			want:    importer.Job{Name: "Run", Call: "GET https://api.example.com/v1/run", Token: "Given"},
		},
	}
}

func TestCurlOptionsBecomeKeysOfTheJob(t *testing.T) {
	t.Parallel()
	for name, c := range curlRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := importer.Options{}
			if c.want.Token == "Given" {
				o.Token = "Given"
			}
			e, result := one(t, variables, c.command, o)
			if len(e.Jobs) != 1 {
				t.Fatalf("not taken over: %s", e.Reason)
			}
			c.want.Schedule, c.want.Timezone, c.want.SilentAfter = "cron(0 0 * * ? *)", "UTC", 26
			if c.want.Token == "" {
				c.want.Token = "ApiToken"
			}
			if diff := cmp.Diff(c.want, e.Jobs[0]); diff != "" {
				t.Error(diff)
			}
			if c.note != "" && !strings.Contains(strings.Join(e.Notes, "\n"), c.note) {
				t.Errorf("notes: %q", e.Notes)
			}
			if o.Token == "" && (len(result.Tokens) != 1 || result.Tokens[0].Name != c.want.Token) {
				t.Errorf("tokens: %+v", result.Tokens)
			}
		})
	}
}

// TestImportedRowsAreWithoutMistakes adds all those jobs to the shipped template and lets the linter and the caller's
// parser read it.
func TestImportedRowsAreWithoutMistakes(t *testing.T) {
	t.Parallel()
	var crontab strings.Builder
	crontab.WriteString(variables)
	for _, name := range slices.Sorted(maps.Keys(curlRows())) {
		fmt.Fprintf(&crontab, "0 0 * * * %s\n", curlRows()[name].command)
	}
	result, err := importer.Import("crontab", []byte(crontab.String()), importer.Options{
		Now: now, Token: "ExampleApi", Jobs: []string{"DailyReport", "HourlySync"}, Tokens: []string{"ExampleApi"},
	})
	if err != nil {
		t.Fatal(err)
	}
	template := []byte(shipped.Template())
	add := func(mapping, name string, keys [][2]string) {
		row := edit.Row{Name: name}
		for _, k := range keys {
			row.Keys = append(row.Keys, edit.Key{Name: k[0], Value: k[1]})
		}
		if template, err = edit.Add(template, mapping, row); err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range result.Tokens {
		add(edit.Tokens, token.Name, [][2]string{{"Secret", token.Secret}})
	}
	for _, j := range result.Jobs() {
		add(edit.Jobs, j.Name, j.Keys())
	}
	if n := len(result.Jobs()); n < len(curlRows())-1 { // the one of the system's form is a program in this file
		t.Errorf("%d jobs of %d", n, len(curlRows()))
	}
	for _, p := range lint.Template(template, lint.Options{Now: now}) {
		if p.Severity == lint.Mistake {
			t.Error(p.In("template.yaml"))
		}
	}
}

func TestWhatAJobCannotDoIsNotTakenOverAndSaysWhy(t *testing.T) {
	t.Parallel()
	const rest = ` -H "Authorization: Bearer $API_TOKEN" https://api.example.com/v1/run`
	for command, reason := range map[string]string{
		"curl -k" + rest:      "-k switches off the check of certificates, which Cronbearer never does",
		"curl -sSfkL" + rest:  "-k switches off the check of certificates, which Cronbearer never does",
		"curl -L" + rest:      "-L follows redirects, which Cronbearer never does: write their target",
		"curl -F a=@b" + rest: "-F sends a multipart form, which a job cannot",
		"curl -u me:pass https://api.example.com/v1/run": "-u sends a password (Basic), and a job sends a bearer token",
		"curl https://me:pass@api.example.com/v1/run": "its URL has a user and password (Basic), and a job sends a " +
			"bearer token",
		"curl -H 'Authorization: Basic bWU6cGFzcw==' " + rest: "it sends a password (Basic), and a job sends a bearer token",
		"curl -b a=bcdef" + rest:                              "-b sends cookies, and a job sends a bearer token",
		"curl -H 'Cookie: a=b'" + rest:                        "it sends cookies, and a job sends a bearer token",
		"curl -H 'X-Api-Key: other-key'" + rest:               "it sends several credentials, and a job has one token",
		"curl -T file" + rest:                                 "-T sends a file: write its content into Body",
		"curl -d @file" + rest:                                "-d reads a file (@): write its content into the line",
		"curl --json @file" + rest:                            "--json reads a file (@): write its content into the line",
		"curl --data-urlencode a@file" + rest: "--data-urlencode reads a file (@): write its content into " +
			"the line",
		"curl -d @-" + rest:    "-d reads standard input, which the file does not define",
		"curl -H @file" + rest: "-H reads a file: write its headers into the line",
		"curl -K file" + rest:  "-K reads a file of options: write them into the line",
		"curl -n https://api.example.com/": "-n reads a password from .netrc, and a job sends a bearer " +
			"token",
		"curl -x proxy:3128" + rest: "-x uses a proxy, which Cronbearer never does",
		"curl -X GET -d a=1" + rest: "it sends a body with GET, which servers read as they like",
		"curl -X TRACE" + rest:      "it uses TRACE, which a job cannot",
		"curl --nonsense" + rest:    "--nonsense is not known here",
		"curl $OPTIONS" + rest: "its URL or its options are in a variable, whose value the " +
			"file does not define",
		"curl" + rest + " https://api.example.com/v1/other": "it has several URLs: write a line for each",
		"curl" + rest + "/[1-5]":                            "curl makes several requests of brackets and braces in a URL",
		"curl -H 'Host: other.example.com'" + rest:          "it sets the header Host: write that host into the URL",
		"curl --oauth2-bearer $API_TOKEN":                   "it has no URL",
		"curl --oauth2-bearer $API_TOKEN http://api.example.com/": "http:// sends the token in the clear, " +
			"which Cronbearer never does: write https://",
		"curl --oauth2-bearer $API_TOKEN api.example.com/": "http:// sends the token in the clear, " +
			"which Cronbearer never does: write https://",
		"curl --oauth2-bearer $API_TOKEN ftp://api.example.com/": "its URL is none of https",
		"curl --oauth2-bearer $API_TOKEN https://192.0.2.1/":     "call: an IP address is not allowed: write a host name",
		"curl --oauth2-bearer $API_TOKEN https://$H/": "its URL has the variable $H, whose value the file does not " +
			"define",
		"curl --oauth2-bearer $API_TOKEN $H": "its URL or its options are in a variable, whose value the " +
			"file does not define",
		"curl -d a=$(hostname)" + rest:  "the body has the output of a command, other than a date",
		`curl -d a=$(date +\%s)` + rest: "the body has a date in a form that no placeholder has",
		`curl -d a=$(date +%s)` + rest: `cron ends the command at a % without \ before it, ` +
			`and the shell cannot read the rest`,
		"curl -d '{{x}}'" + rest:                                   "the body has {{, which would be read as a placeholder",
		`curl --json '{"password":"hunter22"}'` + rest:             "its body holds a credential",
		"curl -d client_secret=hunter22" + rest:                    "its body holds a credential",
		"curl" + rest + " | jq .":                                  "a pipe: a job has no input of another program",
		"echo x | curl -d @-" + rest:                               "a pipe: a job has no input of another program",
		"curl" + rest + " && curl" + rest:                          "it makes several calls: write a line for each",
		"curl" + rest + " || curl" + rest:                          "another call after ||: a job makes one call",
		"wget -qO- https://api.example.com/v1/run":                 "it runs wget: only curl is taken over",
		"/opt/backup.sh && curl" + rest:                            "it runs backup.sh: only curl is taken over",
		"sh /opt/call.sh":                                          "it runs a script: only curl is taken over",
		"curl --oauth2-bearer $API_TOKEN https://localhost/v1/run": "it calls a name that only its own machine",
		"[ -f /tmp/x ] && curl" + rest:                             "it has conditions or loops, and a job makes one call",
		"\x1b[31mred" + rest:                                       "it runs \ufffd[31mred: only curl is taken over",
		"if true; then curl" + rest + "; fi":                       "it has conditions or loops, and a job makes one call",
		"curl https://api.example.com/v1/run":                      "it sends no token, and each job sends one",
		"curl -fsS https://hc-ping.com/0123":                       "it only reports to a monitor: the Silent alarm",
		`curl "https://api.example.com/run` + "'":                  "the shell cannot read it",
		"curl https://hooks.example.com/T0/xoxb-1234567890123":     "its path holds what looks like a token",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			e, _ := one(t, "API_TOKEN=s3cretvalue\n", command, importer.Options{})
			if len(e.Jobs) > 0 || !strings.HasPrefix(e.Reason, reason) {
				t.Errorf("%d jobs, reason: %s", len(e.Jobs), e.Reason)
			}
		})
	}
}
