// Package faults_test breaks everything around the real binaries, one thing at a time: Secrets Manager, STS,
// CloudWatch, targets, token endpoints, the clock, the machine. After each fault the outcome, the error, the metrics,
// time and memory are checked, the next run must be in order, and nothing that left the process may hold a secret. Each
// run prints figures, which make figures reads.
package faults_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/sts"
	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
)

// everything is what make faults sets.
var everything = flag.Bool("faults.all", false, "try every fault with every kind of secret")

func TestMain(m *testing.M) {
	flag.Parse()
	code := awssimtest.Main(m)
	printFigures()
	os.Exit(code)
}

const (
	stack       = "app"
	prefix      = stack + "/"
	functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:it"
	// memory is the functions' size in the template, in MB.
	memory = 128
	// stall is how late a machine with other work may be. Lambda would end a process without it.
	stall = 5 * time.Second
	// maxMemory is what a process may take at any time. Lambda would kill one of 128 MB.
	maxMemory = 64 << 20
	// What design.md, section 13, lets leave the process.
	maxLine  = 64 << 10
	maxError = 16 << 10
)

// figures are what the suite prints, one line each: make figures reads them.
var figures struct{ trials, runs, lost, leaked atomic.Int64 }

func printFigures() {
	for _, f := range []struct {
		name   string
		number *atomic.Int64
	}{
		{"faults tried", &figures.trials},
		{"runs under faults", &figures.runs},
		{"runs lost to faults", &figures.lost},
		{"bytes leaked under faults", &figures.leaked},
	} {
		fmt.Fprintf(os.Stdout, "figures: %s %d\n", f.name, f.number.Load())
	}
}

// world is one process of a function, and everything around it: each server a door that can be broken.
type world struct {
	binary string
	limit  string // of the process, by the shell
	output string // of the process, by the shell; empty: it is read
	raced  bool
	dir    string
	clock  string // file
	offset atomic.Int64

	secrets, metrics, identity, target, issuer, stranger *door

	store      *secretsmanager.Store
	cloudWatch *cloudwatch.Server
	monitor    *alarm.Monitor

	process *lambda.Process
	env     map[string]string
	made    int    // names so far
	path    string // of the current call

	t        *testing.T // of the current rotation
	steps    []run      // of it
	stepTime time.Duration

	mu       sync.Mutex
	canaries *canaries
	issued   map[string]string // refresh token by access token
}

// binaryOf builds a function as it is deployed.
func binaryOf(t *testing.T, function string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if path := built.paths[function]; path != "" {
		return path
	}
	program, err := gobuild.Function(awssimtest.Root(), function)
	if err != nil {
		t.Fatal(err)
	}
	// Next to that with the race detector, which is removed at the end of all tests.
	path := awssimtest.Binary(t, function) + "-deployed"
	if err := program.To(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	built.paths[function] = path
	return path
}

var built = struct {
	mu    sync.Mutex
	paths map[string]string
}{paths: map[string]string{}}

// trusted is the authority that all processes trust.
var trusted = sync.OnceValues(pki.New)

// newWorld returns a world whose process is not started.
func newWorld(t *testing.T, function string) *world {
	t.Helper()
	w := &world{
		binary: binaryOf(t, function), dir: t.TempDir(), canaries: newCanaries(),
		issued: map[string]string{},
	}
	authority, err := trusted()
	must(t, err)
	config, err := authority.ServerConfig()
	must(t, err)
	w.clock = filepath.Join(w.dir, "clock")
	w.turnClock(t, 0)
	must(t, os.WriteFile(filepath.Join(w.dir, "roots.pem"), authority.PEM, 0o600))

	w.store = secretsmanager.NewStore(secretsmanager.Config{Rotate: w.rotateStep})
	samples := alarm.NewSamples()
	w.monitor = alarm.NewMonitor(samples)
	w.cloudWatch = cloudwatch.NewServer(cloudwatch.Config{
		Region: "eu-west-1", AccountID: "123456789012", Partition: "aws", Samples: samples, Monitor: w.monitor,
		Now: func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) },
	})
	federation := sts.NewServer(sts.Config{AccountID: "123456789012", Region: "eu-west-1"})
	federation.Principal = func(string) string { return "arn:aws:iam::123456789012:role/caller" }
	federation.Enable("https://issuer.example.com")

	const session, bearer = "X-Amz-Security-Token", "Authorization"
	w.secrets = newDoor(t, config, session, secretsmanager.NewServer(w.store))
	w.metrics = newDoor(t, config, session, w.cloudWatch)
	w.identity = newDoor(t, config, session, federation)
	w.target = newDoor(t, config, bearer, http.HandlerFunc(w.serveTarget))
	w.issuer = newDoor(t, config, "", http.HandlerFunc(w.serveIssuer))
	w.stranger = newDoor(t, config, "", answers(http.StatusOK, `{"ok":true,"access_token":"a-token-of-a-stranger"}`))
	for _, d := range []*door{w.secrets, w.metrics, w.identity, w.target, w.issuer} {
		d.stranger = w.stranger.address
	}
	w.env = map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": w.canary("AWS secret key"), "AWS_SESSION_TOKEN": w.canary("AWS session token"),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://" + w.secrets.address,
		"AWS_ENDPOINT_URL_CLOUDWATCH":      "https://" + w.metrics.address,
		"AWS_ENDPOINT_URL_STS":             "https://" + w.identity.address,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE":  strconv.Itoa(memory),
		"STACK_NAME":                       stack, "METRIC_NAMESPACE": "Cronbearer", "SECRET_PREFIX": prefix,
		"ALARM_PREFIX":  stack + "-TokenRejected-",
		"ALLOWED_HOSTS": strings.Join([]string{w.target.address, w.issuer.address, "nowhere.invalid"}, ","),
		"EXTRA_CA_FILE": filepath.Join(w.dir, "roots.pem"), "CRONBEARER_TEST_ALLOW_LOOPBACK": "1",
		"CRONBEARER_TEST_CLOCK": w.clock, "CRONBEARER_TEST_NO_SETTLING": "1",
	}
	t.Cleanup(func() {
		if w.process != nil {
			w.process.Close()
		}
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// turnClock sets the function's clock, this much away from the real one.
func (w *world) turnClock(t *testing.T, offset time.Duration) {
	t.Helper()
	must(t, os.WriteFile(w.clock, []byte(offset.String()), 0o600))
	w.offset.Store(int64(offset))
}

// canary returns a new secret that is looked for in everything that leaves the process.
func (w *world) canary(name string) string {
	bytes := make([]byte, 36) //nolint:mnd // of random, which are 48 letters
	_, _ = rand.Read(bytes)   // never fails
	secret := strings.NewReplacer("A", "=", "B", "|", "C", "!").Replace(base64.StdEncoding.EncodeToString(bytes))
	w.watch(name, secret)
	return secret
}

func (w *world) watch(name, secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canaries.add(name, secret)
}

// watchJWT watches the part of a JWT without which it is worth nothing.
func (w *world) watchJWT(name, text string) {
	if parts := strings.Split(text, "."); len(parts) == 3 { //nolint:mnd // header, claims, signature
		w.watch(name, parts[2])
	}
}

// rejectedPath is where the target rejects every token.
const rejectedPath = "/v1/rejected"

func (w *world) serveTarget(rw http.ResponseWriter, r *http.Request) {
	w.watchJWT("token (JWT)", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if r.URL.Path == rejectedPath {
		answers(http.StatusUnauthorized, `{"error":"the token has expired"}`, "Content-Type", "application/json")(rw, r)
		return
	}
	answers(http.StatusOK, `{"ok":true}`, "Content-Type", "application/json")(rw, r)
}

// serveIssuer gives a new token to whoever asks. Who is asked with what is other tests' matter.
func (w *world) serveIssuer(rw http.ResponseWriter, r *http.Request) {
	w.overhear(r)
	access, refresh := w.canary("access token"), w.canary("refresh token")
	w.mu.Lock()
	w.issued[access] = refresh
	w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{ // to a client that may be gone
		"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh,
		"token": access, "expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
}

// overhear watches the assertions in a request to the issuer.
func (w *world) overhear(r *http.Request) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	form, _ := url.ParseQuery(string(body))
	for _, name := range []string{"assertion", "client_assertion"} {
		w.watchJWT(name, form.Get(name))
	}
	w.watchJWT("app's JWT", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}

// start starts the process unless it runs.
func (w *world) start(t *testing.T) {
	t.Helper()
	if w.process != nil {
		return
	}
	var env []string
	for name, value := range w.env {
		env = append(env, name+"="+value)
	}
	process, err := lambda.Start(t.Context(), w.script(t), env, w.dir)
	must(t, err)
	process.Grace = 2 * stall
	w.process = process
}

// script starts the binary and says which process it is.
func (w *world) script(t *testing.T) string {
	t.Helper()
	path := filepath.Join(w.dir, "start")
	text := fmt.Sprintf("#!/bin/sh\necho $$ >'%s/pid'\n%s\nexec '%s' %s\n", w.dir, w.limit, w.binary, w.output)
	// A process that another test starts at this moment would keep the script open for writing, and it could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	must(t, os.WriteFile(path, []byte(text), 0o700))
	return path
}

func (w *world) pid(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "pid"))
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return pid
}

// run is one invocation.
type run struct {
	lambda.Answer

	dead   bool
	took   time.Duration
	stdout string
	stderr string
	memory int // the most that the process took meanwhile, in bytes; 0: unknown
}

// invoke makes one invocation, and looks for secrets in everything that it sent or wrote.
func (w *world) invoke(t *testing.T, event any, timeout time.Duration) run {
	t.Helper()
	w.start(t)
	payload, err := json.Marshal(event)
	must(t, err)
	resetPeak(w.pid(t))
	w.made++
	began := time.Now()
	answer, dead, err := w.process.Invoke(t.Context(), lambda.Event{
		RequestID: fmt.Sprintf("00000000-0000-4000-8000-%012d", w.made), Payload: payload, FunctionARN: functionARN,
	}, timeout)
	r := run{Answer: answer, dead: dead, took: time.Since(began), memory: peak(w.pid(t))}
	out := w.process.Output()
	r.stdout, r.stderr = string(out.Stdout), string(out.Stderr)
	figures.runs.Add(1)
	if err != nil || dead {
		figures.lost.Add(1)
		t.Errorf("the run was lost: %v %s %s\n%s%s", err, answer.ErrorType, answer.Message, r.stdout, r.stderr)
		w.process.Close()
		w.process = nil
	}
	w.search(t, r)
	if r.took > timeout+stall {
		t.Errorf("it took %s of %s", r.took, timeout)
	}
	for line := range strings.Lines(r.stdout) {
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
	if len(r.Message) > maxError {
		t.Errorf("an error of %d bytes: %.200s", len(r.Message), r.Message)
	}
	if r.memory > maxMemory && !w.raced {
		t.Errorf("the process took %d MiB", r.memory>>20)
	}
	if strings.Contains(r.stderr, "DATA RACE") || strings.Contains(r.stderr, "panic") {
		t.Error(r.stderr)
	}
	return r
}

// search looks for secrets in what left the process, but where they belong.
func (w *world) search(t *testing.T, r run) {
	t.Helper()
	w.leaks(t, "standard output", r.stdout, nil)
	w.leaks(t, "standard error", r.stderr, nil)
	w.leaks(t, "the answer to Lambda", string(r.Payload)+"\n"+r.ErrorType+"\n"+r.Message, nil)
	for name, d := range map[string]*door{"CloudWatch": w.metrics, "STS": w.identity} {
		for _, h := range d.take() {
			w.leaks(t, "a request to "+name, h.head+"\n"+h.body, nil)
		}
	}
	for _, h := range w.secrets.take() {
		if h.operation != "PutSecretValue" {
			w.leaks(t, "a request to Secrets Manager", h.head+"\n"+h.body, nil)
		}
	}
	for _, h := range w.target.take() {
		w.leaks(t, "a request to the target, next to its token", h.head+"\n"+h.body, nil)
	}
	for _, h := range w.issuer.take() {
		w.leaks(t, "a request to the issuer", h.head+"\n"+h.body, func(name string) bool {
			return !strings.HasPrefix(name, "AWS ") && name != "private key" && name != "static token"
		})
	}
	for _, h := range w.stranger.take() {
		t.Errorf("a stranger was called: %s", h.head)
		w.leaks(t, "a request to a stranger", h.head+"\n"+h.body, nil)
	}
}

func (w *world) leaks(t *testing.T, what, text string, belongs func(name string) bool) {
	t.Helper()
	w.mu.Lock()
	names, leaked := w.canaries.find(text)
	w.mu.Unlock()
	for name := range names {
		if belongs == nil || !belongs(name) {
			figures.leaked.Add(int64(leaked))
			t.Errorf("%s holds %s:\n%.4000s", what, name, text)
		}
	}
}

// published are the data of a run that CloudWatch has, or else those in its log lines, by metric.
func (w *world) published(r run, dimension, owner string) (stored, embedded map[string]float64) {
	stored, embedded = map[string]float64{}, map[string]float64{}
	for _, d := range w.cloudWatch.Data("") {
		if d.Dimension(dimension) == owner {
			stored[d.Metric] = d.Value()
		}
	}
	for line := range strings.Lines(r.stdout) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil || fields["_aws"] == nil || fields[dimension] != owner {
			continue
		}
		for _, name := range []string{"TokenRejected", "Heartbeat", "TokenDaysToExpiry", "RotationFailed"} {
			if value, ok := fields[name].(float64); ok && fits(name, dimension) {
				embedded[name] = value
			}
		}
	}
	return stored, embedded
}

// fits reports whether a metric has a dimension.
func fits(metric, dimension string) bool {
	return map[string]string{
		"TokenRejected": "Token", "TokenDaysToExpiry": "Token", "Heartbeat": "Job", "RotationFailed": "Secret",
	}[metric] == dimension
}

// worlds runs trials in several processes at once.
func worlds[T any](t *testing.T, function string, trials []T, name func(T) string, try func(*testing.T, *world, T)) {
	t.Helper()
	several(t, trials, name, func(worker int) func(*testing.T, T) {
		w := newWorld(t, function)
		if w.raced = worker%4 == 3 && awssimtest.RaceEnabled; w.raced {
			w.binary = awssimtest.Binary(t, function)
		}
		return func(t *testing.T, trial T) {
			t.Helper()
			try(t, w, trial)
		}
	})
}

// several runs trials at once: most of them wait. Those of one worker follow one another.
func several[T any](t *testing.T, trials []T, name func(T) string, worker func(int) func(*testing.T, T)) {
	t.Helper()
	workers := 8
	if *everything {
		workers = 16
	}
	next := make(chan T)
	var all sync.WaitGroup
	for i := range min(workers, len(trials)) {
		try := worker(i)
		all.Go(func() {
			for trial := range next {
				figures.trials.Add(1)
				t.Run(name(trial), func(t *testing.T) { try(t, trial) }) //nolint:paralleltest // it is
			}
		})
	}
	for _, trial := range trials {
		next <- trial
	}
	close(next)
	all.Wait()
}

// sorted returns a map's keys in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
