package rotation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/clock"
	"github.com/cronbearer/cronbearer/internal/config"
	"github.com/cronbearer/cronbearer/internal/dev/smfake"
	"github.com/cronbearer/cronbearer/internal/execenv"
	"github.com/cronbearer/cronbearer/internal/hosts"
	"github.com/cronbearer/cronbearer/internal/rotation"
)

const (
	prefix    = "stack/"
	name      = "stack/example-api"
	secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:stack/example-api-AbCdEf"
	function  = "arn:aws:lambda:eu-west-1:123456789012:function:stack-Rotator-1"
	host      = "id.example.com"
	pending   = "AWSPENDING"
	current   = "AWSCURRENT"
	previous  = "AWSPREVIOUS"
	canary    = "canary" // in every secret string
)

func newSecretsManager(t *testing.T, value string) *smfake.Secret {
	t.Helper()
	return smfake.NewSecret(t, secretARN, name, function, value)
}

// ours are the rotator's labels, and leases those of its lease.
func ours(sm *smfake.Secret) []string   { return sm.LabelsWith(rotation.OurLabels) }
func leases(sm *smfake.Secret) []string { return sm.LabelsWith(rotation.LeaseLabel) }

// provider is an authorization server with one-time refresh tokens that revokes a family when one of them is reused, a
// "new token" call, and a resource that accepts access tokens.
type provider struct {
	mu        sync.Mutex
	n         int
	family    map[string]int  // of each refresh token
	live      map[string]bool // refresh tokens
	access    map[string]bool // access tokens
	exchanges int             // refresh tokens exchanged
	posts     int             // token requests and "new token" calls
	reuses    int
	granted   []string // refresh tokens, or tokens of /rotate
	spent     []string // what each was exchanged for

	before func(w http.ResponseWriter, r *http.Request) bool // answers in its place
	delay  func() time.Duration
	answer func(w http.ResponseWriter, body map[string]any) bool // writes another answer; may change the body
	test   int                                                   // status of /test; 0: by the token
}

func newProvider() *provider {
	return &provider{family: map[string]int{}, live: map[string]bool{}, access: map[string]bool{}}
}

func (p *provider) mint(kind string) string {
	p.n++
	return fmt.Sprintf("%s-%s-%d-%x", canary, kind, p.n, rand.Uint64())
}

// logIn starts a family.
func (p *provider) logIn() (access, refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	access, refresh = p.mint("access"), p.mint("refresh")
	p.access[access], p.live[refresh], p.family[refresh], p.family[access] = true, true, p.n, p.n
	return access, refresh
}

func (p *provider) honours(refresh string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live[refresh]
}

func (p *provider) counts() (exchanges, posts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exchanges, p.posts
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.delay != nil {
		time.Sleep(p.delay())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if p.before != nil && p.before(w, r) {
		return
	}
	switch r.URL.Path {
	case "/token":
		p.posts++
		p.refresh(w, r)
	case "/rotate":
		p.posts++
		if !p.access[bearer] {
			reply(
				w, http.StatusUnauthorized,
				map[string]any{"error": "invalid_token", "error_description": "no such token " + bearer},
			)
			return
		}
		delete(p.access, bearer)
		fresh := p.mint("access")
		p.access[fresh], p.family[fresh] = true, p.family[bearer]
		p.exchanges++
		p.granted, p.spent = append(p.granted, fresh), append(p.spent, bearer)
		p.reply(w, map[string]any{"data": map[string]any{"token": fresh, "ends": "2027-01-31"}})
	case "/test":
		status := p.test
		if status == 0 {
			status = http.StatusUnauthorized
			if p.access[bearer] {
				status = http.StatusOK
			}
		}
		w.WriteHeader(status)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) refresh(w http.ResponseWriter, r *http.Request) {
	if _, secret, _ := r.BasicAuth(); secret != canary+"-client-secret" {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "not " + secret})
		return
	}
	refresh := r.PostFormValue("refresh_token")
	if !p.live[refresh] {
		if family, known := p.family[refresh]; known {
			p.reuses++
			for other, f := range p.family {
				if f == family {
					delete(p.live, other)
				}
			}
		}
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "dead: " + refresh})
		return
	}
	p.exchanges++
	fresh, access := p.mint("refresh"), p.mint("access")
	p.granted, p.spent = append(p.granted, fresh), append(p.spent, refresh)
	delete(p.live, refresh)
	p.live[fresh], p.family[fresh], p.access[access] = true, p.family[refresh], true
	p.reply(w, map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": fresh})
}

func (p *provider) reply(w http.ResponseWriter, body map[string]any) {
	if p.answer != nil && p.answer(w, body) {
		return
	}
	reply(w, http.StatusOK, body)
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// process is one environment of Lambda with the rotator in it. It is its own client of Secrets Manager, and dies at the
// moment that the test chooses: what it does is counted, each thing twice, before and after.
type process struct {
	world   *world
	handler *rotation.Handler
	close   func()
	out     *output

	dieAt int32 // 0: never
	moves atomic.Int32
	dead  atomic.Bool

	latency func() time.Duration
	fault   func(operation string) error // before an operation; nil: none
	lost    func(operation string) error // after it was done
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// world is one secret, its provider and the rotators.
type world struct {
	t        *testing.T
	sm       *smfake.Secret
	provider *provider
	metrics  []string // guarded by sm
}

func newWorld(t *testing.T, secret func(access, refresh string) string) *world {
	t.Helper()
	p := newProvider()
	return &world{t: t, sm: newSecretsManager(t, secret(p.logIn())), provider: p}
}

// refreshable is a secret with a key behind each that changes.
func refreshable(access, refresh string) string {
	return fmt.Sprintf(`{"hosts":["id.example.com"],"token":%q,"expires_at":"2000-01-01T01:00:00Z","test":"GET `+
		`https://id.example.com/test",`+
		`"oauth2":{"grant":"refresh_token","token_url":"https://id.example.com/token","client_id":"client",`+
		`"refresh_token":%q,"client_secret":"canary-client-secret","scope":"a b"}}`,
		access, refresh)
}

// start makes a process. It is closed with the test, or by close.
func (w *world) start() *process {
	w.t.Helper()
	p := &process{world: w, out: &output{}}
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p.mortal(w.provider), ReadHeaderTimeout: time.Hour}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	env := &execenv.Environment{
		Clock: clock.New(""), ToAWS: &http.Transport{},
		ToTargets: &http.Transport{DialTLSContext: listener.dial},
	}
	allowed, err := hosts.Parse([]string{host})
	if err != nil {
		w.t.Fatal(err)
	}
	s := config.Settings{SecretPrefix: prefix, AllowedHosts: allowed, MetricNamespace: "N", StackName: "stack"}
	p.handler = rotation.NewTestHandler(s, env, p, p, p.out)
	p.close = func() {
		_ = server.Close()
		env.ToTargets.CloseIdleConnections()
		<-served
	}
	return p
}

// mortal is the provider as a process sees it that may die before its request arrives, or before the answer does.
func (p *process) mortal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.step() {
			panic(http.ErrAbortHandler)
		}
		answer := &recorded{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if p.step() {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.header)
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes())
	})
}

type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }

// step counts, and reports whether the process is dead.
func (p *process) step() bool {
	if n := p.moves.Add(1); p.dieAt != 0 && n >= p.dieAt {
		p.dead.Store(true)
	}
	return p.dead.Load()
}

// errNoAnswer is what a client sees of an answer that is lost.
var errNoAnswer = errors.New("connection reset")

// do makes one request to Secrets Manager. The goroutine of a dead process exits; its deferred calls must not reach the
// world.
func do[I, O any](ctx context.Context, p *process, operation string, in I, call func(I) (O, error)) (O, error) {
	var none O
	if p.step() {
		runtime.Goexit()
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	if p.latency != nil {
		time.Sleep(p.latency())
	}
	if p.fault != nil {
		if err := p.fault(operation); err != nil {
			return none, err
		}
	}
	p.world.sm.Lock()
	out, err := call(in)
	p.world.sm.Unlock()
	if p.latency != nil {
		time.Sleep(p.latency())
	}
	if p.step() {
		runtime.Goexit()
	}
	if p.lost != nil {
		if err := p.lost(operation); err != nil {
			return none, err
		}
	}
	return out, err
}

func (p *process) GetSecretValue(
	ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	return do(ctx, p, "GetSecretValue "+aws.ToString(in.VersionStage), in, p.world.sm.Get)
}

func (p *process) DescribeSecret(
	ctx context.Context, in *secretsmanager.DescribeSecretInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.DescribeSecretOutput, error) {
	describe := func(*secretsmanager.DescribeSecretInput) (*secretsmanager.DescribeSecretOutput, error) {
		return p.world.sm.Describe(), nil
	}
	return do(ctx, p, "DescribeSecret", in, describe)
}

func (p *process) PutMetricData(
	ctx context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.PutMetricDataOutput, error) {
	return do(ctx, p, "PutMetricData", in, p.world.publish)
}

// publish notes a datum as "RotationFailed example-api 1".
func (w *world) publish(in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
	for _, d := range in.MetricData {
		w.metrics = append(
			w.metrics,
			fmt.Sprintf("%s %s %g", aws.ToString(d.MetricName), aws.ToString(d.Dimensions[1].Value), aws.ToFloat64(d.Value)),
		)
	}
	return &cloudwatch.PutMetricDataOutput{}, nil
}

// published returns the data since it was called last, without their name.
func (w *world) published() string {
	w.sm.Lock()
	defer w.sm.Unlock()
	all := strings.ReplaceAll(strings.Join(w.metrics, ", "), "RotationFailed example-api ", "")
	w.metrics = nil
	return all
}

func (p *process) PutSecretValue(
	ctx context.Context, in *secretsmanager.PutSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.PutSecretValueOutput, error) {
	return do(ctx, p, "PutSecretValue", in, p.world.sm.Put)
}

func (p *process) UpdateSecretVersionStage(
	ctx context.Context, in *secretsmanager.UpdateSecretVersionStageInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	return do(ctx, p, "UpdateSecretVersionStage "+aws.ToString(in.VersionStage), in, p.world.sm.Update)
}

// errDied says that the process ended in the middle of a step.
var errDied = errors.New("the process died")

// limit is the function's time-out.
const limit = 5 * time.Minute

func event(step rotation.Step, version string) string {
	return fmt.Sprintf(`{"Step":%q,"SecretId":%q,"ClientRequestToken":%q}`, step, secretARN, version)
}

// invoke sends an event. What the process prints and returns must hold no secret.
func (p *process) invoke(text string) (string, error) {
	return p.invokeAs(function, text)
}

func (p *process) invokeAs(arn, text string) (string, error) {
	ctx, cancel := context.WithTimeout(lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{
		AwsRequestID: "request", InvokedFunctionArn: arn,
	}), limit)
	defer cancel()
	var response []byte
	err := errDied
	done := make(chan struct{})
	go func() {
		defer close(done)
		response, err = p.handler.Invoke(ctx, []byte(text))
	}()
	<-done
	if p.dead.Load() {
		return "", errDied
	}
	for where, said := range map[string]string{
		"the log": p.out.String(), "the response": string(response), "the error": fmt.Sprint(err),
	} {
		if strings.Contains(said, canary) {
			p.world.t.Errorf("%s holds a secret: %s", where, said)
		}
	}
	return string(response), err
}

// step runs one step on the pending version.
func (p *process) do(step rotation.Step) (string, error) {
	return p.invoke(event(step, p.world.sm.Label(pending)))
}

// all runs the four steps as Secrets Manager does: each after the one before succeeded.
func (p *process) all() error {
	version := p.world.sm.Rotate()
	for _, step := range []rotation.Step{
		rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret,
	} {
		if _, err := p.invoke(event(step, version)); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// pipes is a listener in memory, whose connections let a test's clock go on while they wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.IPAddr{} }

// refreshToken of a secret's text; empty for none.
func refreshToken(t *testing.T, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var secret struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	if err := json.Unmarshal([]byte(text), &secret); err != nil {
		t.Fatal(err)
	}
	return secret.OAuth2.RefreshToken
}

// stored is the refresh token that the next renewal depends on: AWSPENDING's once it has a value, else AWSCURRENT's.
func (w *world) stored() string {
	if text := w.sm.Value(pending); text != "" {
		return refreshToken(w.t, text)
	}
	return refreshToken(w.t, w.sm.Value(current))
}
