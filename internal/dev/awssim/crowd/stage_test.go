// Package crowd_test lets many callers, and the rotator, run next to each other: as handlers in this process where
// there are a thousand of them, as real processes where there are ten.
package crowd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/cronbearer/cronbearer/internal/caller"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/cloudwatch"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
	"github.com/cronbearer/cronbearer/internal/rotation"
)

// TestMain sets for this process the credentials that Lambda gives its own.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "FAKEKEY", "AWS_SECRET_ACCESS_KEY": "fake-secret-access-key",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(awssimtest.Main(m))
}

const (
	secret       = "cronbearer/example-api"
	lambdaARN    = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"
	clientID     = "cronbearer"
	clientSecret = "fake-client-secret-of-the-tests"
)

// stage is what surrounds the handlers: AWS, an authorization server and an API, on a clock of its own.
type stage struct {
	t      *testing.T
	clock  string // file
	offset atomic.Int64
	env    map[string]string

	store          *secretsmanager.Store
	auth           *idp.Server
	api            *upstream.Server
	apiHost, oauth string                               // host, URL of the token endpoint
	said           locked                               // by the functions, to whomever
	after          func(e secretsmanager.RotationEvent) // a step that succeeded
}

// locked is a buffer for many.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, clock: filepath.Join(t.TempDir(), "clock")}
	s.pass(0)
	authority, err := pki.New()
	must(t, err)
	s.auth, s.api = idp.New(s.now), upstream.New(s.now)
	s.api.Keep(false)
	must(t, s.auth.Register(idp.Client{ID: clientID, Auth: idp.AuthBasic, Secret: clientSecret}))
	s.api.Rule(func(q upstream.Request) (upstream.Answer, bool) { return upstream.OK, s.auth.Valid(q.Token) })
	s.store = secretsmanager.NewStore(secretsmanager.Config{Now: s.now, Rotate: s.rotate(s.rotator())})
	toSecrets := secretsmanager.NewServer(s.store)
	toSecrets.Keep(false)
	samples := alarm.NewSamples()
	metrics := cloudwatch.NewServer(
		cloudwatch.Config{
			Region: "eu-west-1", AccountID: "123456789012", Partition: "aws", Now: s.now, Samples: samples,
			Monitor: alarm.NewMonitor(samples),
		},
	)
	metrics.Keep(false)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(roots, authority.PEM, 0o600))

	s.apiHost = s.serve(s.api, authority)
	s.oauth = "https://" + s.serve(s.auth, authority) + idp.TokenPath
	s.env = map[string]string{
		"AWS_REGION": "eu-west-1", "STACK_NAME": "cronbearer", "SECRET_PREFIX": "cronbearer/", "ALLOWED_HOSTS": s.apiHost,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://" + s.serve(toSecrets, nil),
		"AWS_ENDPOINT_URL_CLOUDWATCH": "http://" + s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = s.said.Write(body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			metrics.ServeHTTP(w, r)
		}), nil),
		"EXTRA_CA_FILE": roots, "CRONBEARER_TEST_ALLOW_LOOPBACK": "1", "CRONBEARER_TEST_CLOCK": s.clock,
		"CRONBEARER_TEST_NO_SETTLING": "1",
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve binds a handler to a host of this machine, over TLS if there is an authority.
func (s *stage) serve(handler http.Handler, authority *pki.Authority) string {
	s.t.Helper()
	server := httptest.NewUnstartedServer(handler)
	s.t.Cleanup(server.Close)
	if authority == nil {
		server.Start()
	} else {
		config, err := authority.ServerConfig()
		must(s.t, err)
		server.TLS = config
		server.StartTLS()
	}
	return "localhost:" + server.URL[strings.LastIndexByte(server.URL, ':')+1:]
}

func (s *stage) now() time.Time {
	return time.Now().Round(0).UTC().Add(time.Duration(s.offset.Load()))
}

// pass lets time pass, for the services and for the functions' next runs.
func (s *stage) pass(d time.Duration) {
	offset := time.Duration(s.offset.Add(int64(d)))
	must(s.t, os.WriteFile(s.clock+".next", []byte(offset.String()), 0o600))
	must(s.t, os.Rename(s.clock+".next", s.clock))
}

func (s *stage) lookup(name string) (string, bool) {
	value, ok := s.env[name]
	return value, ok
}

func (s *stage) newCaller() *caller.Handler { return caller.NewHandler(s.lookup, &s.said) }

// rotator is made at its first step.
func (s *stage) rotator() func() *rotation.Handler {
	return sync.OnceValue(func() *rotation.Handler { return rotation.NewHandler(s.lookup, &s.said) })
}

func (s *stage) rotate(handler func() *rotation.Handler) secretsmanager.Rotate {
	return func(ctx context.Context, arn string, e secretsmanager.RotationEvent) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err = handler().Invoke(
			lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{InvokedFunctionArn: arn}), text,
		); err == nil && s.after != nil {
			s.after(e)
		}
		return err
	}
}

// run is one run of a caller.
func (s *stage) run(h *caller.Handler, path string) (result caller.Result, err error) {
	event := fmt.Sprintf(
		`{"job":"Job","token":"ExampleApi","secret":"example-api","call":"GET https://%s/%s","attempts":1}`, s.apiHost,
		path,
	)
	ctx := lambdacontext.NewContext(s.t.Context(), &lambdacontext.LambdaContext{AwsRequestID: path})
	response, err := h.Invoke(ctx, []byte(event))
	_, _ = s.said.Write(response)
	if err != nil {
		_, _ = fmt.Fprintf(&s.said, "%T %+v\n", err, err)
		return result, err
	}
	return result, json.Unmarshal(response, &result)
}

// accessToken is the token in a secret's value.
func (s *stage) accessToken(stage string) string {
	s.t.Helper()
	text, _ := s.store.Value(secret, stage)
	var value struct{ Token string }
	must(s.t, json.Unmarshal([]byte(text), &value))
	return value.Token
}

func (s *stage) put(oauth2 map[string]any, more map[string]any) {
	s.t.Helper()
	value := map[string]any{"oauth2": oauth2}
	oauth2["token_url"], oauth2["client_id"], oauth2["client_secret"] = s.oauth, clientID, clientSecret
	maps.Copy(value, more)
	text, err := json.Marshal(value)
	must(s.t, err)
	_, err = s.store.Put(secret, string(text))
	must(s.t, err)
}

// leak is a token of the model's, or the client's secret. Tokens are random but for their beginning.
var leak = regexp.MustCompile(`(access|refresh)-\d{6}-[0-9a-f]{8}|` + regexp.QuoteMeta(clientSecret))

// silent checks that no secret was printed.
func (s *stage) silent() {
	s.t.Helper()
	said := s.said.String()
	if said == "" {
		s.t.Error("no output")
	}
	if found := leak.FindStringIndex(said); found != nil {
		s.t.Errorf("a secret was printed: %s", said[max(0, found[0]-200):min(len(said), found[1]+40)])
	}
}
