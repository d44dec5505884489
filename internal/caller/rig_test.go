package caller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/smithy-go"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/cwfake"
	"github.com/cronbearer/cronbearer/internal/dev/smfake"
	"github.com/cronbearer/cronbearer/internal/dev/testnet"
	"github.com/cronbearer/cronbearer/internal/handler"
	"github.com/cronbearer/cronbearer/internal/hosts"
)

// canary begins every secret string of these tests. It must not appear in anything that leaves the process.
const canary = "canary-3f9a7c51e2d84b60-"

// secret is a token of the tests.
func secret(name string) string { return canary + name }

const (
	host      = "example.com:443"
	secretID  = "S/example-api"
	current   = "AWSCURRENT"
	pending   = "AWSPENDING"
	previous  = "AWSPREVIOUS"
	requestID = "8e03978e-40d5-43e8-bc93-6894a57f9324"
)

type event = map[string]any

// rig is an environment with its AWS and its network. It lives in a synctest bubble.
type rig struct {
	t       *testing.T
	net     *testnet.Net
	secrets *secrets
	watch   *cwfake.CloudWatch
	out     *output
	handler *caller.Handler
}

func newRig(t *testing.T, change func(*config.Settings)) *rig {
	t.Helper()
	allowed, err := hosts.Parse([]string{"example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s := config.Settings{
		MetricNamespace: "N", StackName: "S", SecretPrefix: "S/", AllowedHosts: allowed, SecretCacheTTL: 5 * time.Minute,
		IdempotencyHeader: "Idempotency-Key", RemindAfter: 20 * time.Hour, AlarmPrefix: "S-TokenRejected-",
		LogLevel: slog.LevelInfo,
		Region:   "eu-west-1", LogResponses: true,
	}
	if change != nil {
		change(&s)
	}
	r := &rig{
		t: t, net: testnet.New(t), secrets: &secrets{Reader: smfake.NewReader(t)},
		watch: cwfake.New(t, time.Now), out: &output{},
	}
	r.secrets.Took = time.Millisecond
	r.handler = caller.Assemble(s, r.secrets, r.watch, r.net.Transport(), r.out)
	return r
}

// ran is what became of a run.
type ran struct {
	result caller.Result // of the log line
	err    error
	log    string
}

// run invokes with an event that is complete but for what changes say; nil removes a key.
func (r *rig) run(changes event) ran {
	r.t.Helper()
	return r.runIn(r.t.Context(), changes)
}

func (r *rig) runIn(ctx context.Context, changes event) ran {
	r.t.Helper()
	whole := event{"job": "J", "token": "T", "secret": "example-api", "call": "GET https://example.com/path"}
	maps.Copy(whole, changes)
	text, err := json.Marshal(whole)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.invoke(ctx, text)
}

func (r *rig) invoke(ctx context.Context, text []byte) ran {
	r.t.Helper()
	before := r.out.len()
	response, err := r.handler.Invoke(
		lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: requestID}), text,
	)
	got := ran{err: err, log: r.out.from(before)}
	lines := 0
	for line := range strings.Lines(got.log) {
		var record struct {
			Message string        `json:"message"`
			Error   string        `json:"error"`
			Result  caller.Result `json:"result"`
		}
		if json.Unmarshal([]byte(line), &record) != nil {
			r.t.Errorf("the log has a line that is not JSON: %s", line)
		}
		if record.Message == "run" {
			lines++
			got.result = record.Result
			if err != nil && record.Error != err.Error() {
				r.t.Errorf("the run's line says %q, the error %q", record.Error, err)
			}
		}
	}
	if _, internal := errors.AsType[*handler.InternalError](err); !internal && lines != 1 {
		r.t.Errorf("%d lines of the run, want 1: %s", lines, got.log)
	}
	if (err == nil) != (response != nil) {
		r.t.Errorf("response %s together with error %v", response, err)
	}
	if response != nil {
		var result caller.Result
		if json.Unmarshal(response, &result) != nil ||
			fmt.Sprint(withoutPointers(result)) != fmt.Sprint(withoutPointers(got.result)) {
			r.t.Errorf("the response is %s and the run's line has %+v", response, got.result)
		}
	}
	r.leaks(string(response))
	if err != nil {
		r.leaks(err.Error())
	}
	r.leaks(got.log)
	return got
}

func withoutPointers(r caller.Result) any {
	at := time.Time{}
	if r.TokenExpiresAt != nil {
		at = *r.TokenExpiresAt
	}
	r.TokenExpiresAt = nil
	return []any{r, at}
}

func (r *rig) leaks(text string) {
	r.t.Helper()
	if strings.Contains(text, canary[:len(canary)-1]) {
		r.t.Errorf("a secret leaves the process: %s", text)
	}
}

// kind is the name that Lambda shows.
func (g ran) kind() string {
	if g.err == nil {
		return ""
	}
	_, name, _ := strings.Cut(fmt.Sprintf("%T", g.err), ".")
	return name
}

// serve answers by token: a status for each, 401 for all others. It returns the tokens it got, in order.
func (r *rig) serve(statuses map[string]int) func() []string {
	var mu sync.Mutex
	var got []string
	r.net.Handle(host, func(w http.ResponseWriter, request *http.Request) {
		value, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer "+canary)
		if !ok || len(request.Header["Authorization"]) != 1 {
			r.t.Errorf("Authorization %q", request.Header["Authorization"])
		}
		mu.Lock()
		got = append(got, value)
		mu.Unlock()
		status, known := statuses[value]
		if !known {
			status = http.StatusUnauthorized
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, request.Header.Get("Authorization")) // a target may echo it
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// output is what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Len()
}

func (o *output) from(at int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()[at:]
}

// secrets is Secrets Manager with the job's secret.
type secrets struct {
	*smfake.Reader

	seen int
}

// put makes a version with its age.
func (s *secrets) put(stage, version, text string, age time.Duration) {
	s.putInto(secretID, stage, version, text, age)
}

func (s *secrets) putInto(id, stage, version, text string, age time.Duration) {
	s.Put(id, stage, version, text, time.Now().Add(-age))
}

// stages lists the stages that were read since it was last asked.
func (s *secrets) stages() []string {
	var list []string
	reads := s.Reads()
	for _, read := range reads[s.seen:] {
		_, stage, _ := strings.Cut(read, " ")
		list = append(list, stage)
	}
	s.seen = len(reads)
	return list
}

func apiError(code string) error { return &smithy.GenericAPIError{Code: code, Message: "m"} }

// said lists what was published since it was last asked, as "Heartbeat S J 1".
func (r *rig) said() []string {
	list := r.watch.Said()
	for i, text := range list {
		for _, name := range []string{"Stack=", "Token=", "Job="} {
			text = strings.Replace(text, name, "", 1)
		}
		if days, ok := strings.CutPrefix(text, "TokenDaysToExpiry S T "); ok {
			n, err := strconv.ParseFloat(days, 64)
			if err != nil {
				r.t.Error(err)
			}
			text = fmt.Sprintf("TokenDaysToExpiry S T %.1f", n)
		}
		list[i] = text
	}
	return list
}
