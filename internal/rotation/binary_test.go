package rotation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/lambda"
	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
	"github.com/cronbearer/cronbearer/internal/rotation"
)

// built is the rotator, as it is deployed.
func built(t *testing.T) string {
	t.Helper()
	program, err := gobuild.Function(filepath.Join("..", ".."), "rotator")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "rotator")
	if err := program.To(t.Context(), binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestBinaryKilledAnywhere sends SIGKILL to the real binary at each request that it makes, before the request is
// answered and after what it asks for was done, and lets Secrets Manager repeat the rotation a minute later.
func TestBinaryKilledAnywhere(t *testing.T) {
	t.Parallel()
	binary := built(t)
	var windows, logins, places atomic.Int32
	t.Run("all", func(t *testing.T) {
		for nth := int32(0); nth <= 48; nth++ { // 0: never
			t.Run(strconv.Itoa(int(nth)), func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, binary)
				err := m.rotate(0, nth)
				honoured := m.world.provider.honours(m.world.stored())
				if !honoured {
					windows.Add(1)
				}
				if (err == nil) != (nth == 0 || nth > m.moves.Load()) {
					t.Fatalf("killed at %d of %d: %v", nth, m.moves.Load(), err)
				}
				if err == nil {
					places.CompareAndSwap(0, m.moves.Load())
					return
				}
				err = m.rotate(time.Minute, 0)
				switch {
				case honoured && err == nil && m.world.provider.honours(m.world.stored()):
				case !honoured && strings.Contains(fmt.Sprint(err), "ReauthorizationRequiredError: "):
					logins.Add(1)
				default:
					t.Errorf("honoured: %t, then: %v", honoured, err)
				}
			})
		}
	})
	t.Logf("%d places to die at, %d of them between the provider's answer and the store", places.Load(), windows.Load())
	if windows.Load() != 2 || logins.Load() != 2 { // the provider's answer is lost, and the request to store it
		t.Errorf(
			"%d windows, %d of them reported; want the two moves between the provider's answer and the store", windows.Load(),
			logins.Load(),
		)
	}
}

// TestTwoBinaries on one version exchange once.
func TestTwoBinaries(t *testing.T) {
	t.Parallel()
	binary := built(t)
	m := newMachine(t, binary)
	m.world.provider.delay = func() time.Duration { return time.Second }
	version := m.world.sm.Rotate()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := m.run(0, []string{event(rotation.CreateSecret, version)}, 0); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if _, posts := m.world.provider.counts(); posts != 1 {
		t.Errorf("%d token requests", posts)
	}
}

// machine is everything around the binary, on loopback.
type machine struct {
	t       *testing.T
	binary  string
	world   *world
	secrets *httptest.Server
	roots   string // file

	moves atomic.Int32
	kill  atomic.Pointer[func(move int32) bool]
}

func newMachine(t *testing.T, binary string) *machine {
	t.Helper()
	m := &machine{t: t, binary: binary}
	var port string
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	config, err := authority.ServerConfig()
	if err != nil {
		t.Fatal(err)
	}
	m.roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(m.roots, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProvider()
	id := httptest.NewUnstartedServer(m.killing(p))
	id.TLS = config
	id.Config.ErrorLog = nil
	id.StartTLS()
	t.Cleanup(id.Close)
	_, port, _ = net.SplitHostPort(id.Listener.Addr().String())
	secret := func(access, refresh string) string {
		return strings.ReplaceAll(refreshable(access, refresh), "id.example.com", "localhost:"+port)
	}
	m.world = &world{t: t, sm: newSecretsManager(t, secret(p.logIn())), provider: p}
	m.secrets = httptest.NewServer(m.killing(http.HandlerFunc(m.secretsManager)))
	t.Cleanup(m.secrets.Close)
	return m
}

// killing counts each request twice, and answers none of a process that it killed.
func (m *machine) killing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // all of it, so that the request has been sent
		r.Body = io.NopCloser(bytes.NewReader(body))
		dead := func() bool {
			kill := m.kill.Load()
			return (*kill)(m.moves.Add(1))
		}
		if dead() {
			panic(http.ErrAbortHandler)
		}
		answer := &recorded{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if dead() {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.header)
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes())
	})
}

// secretsManager speaks AWS's JSON 1.1.
func (m *machine) secretsManager(w http.ResponseWriter, r *http.Request) {
	sm := m.world.sm
	sm.Lock()
	defer sm.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	var out any
	var err error
	switch operation {
	case "DescribeSecret":
		d := sm.Describe()
		out = map[string]any{
			"ARN": d.ARN, "Name": d.Name, "RotationEnabled": d.RotationEnabled, "RotationLambdaARN": d.RotationLambdaARN,
			"VersionIdsToStages": d.VersionIdsToStages,
		}
	case "GetSecretValue":
		var v *secretsmanager.GetSecretValueOutput
		if v, err = sm.Get(decoded[secretsmanager.GetSecretValueInput](m.t, r)); err == nil {
			out = map[string]any{
				"ARN": v.ARN, "Name": v.Name, "VersionId": v.VersionId, "SecretString": v.SecretString,
				"CreatedDate": v.CreatedDate.Unix(),
			}
		}
	case "PutSecretValue":
		_, err = sm.Put(decoded[secretsmanager.PutSecretValueInput](m.t, r))
		out = map[string]any{}
	case "UpdateSecretVersionStage":
		_, err = sm.Update(decoded[secretsmanager.UpdateSecretVersionStageInput](m.t, r))
		out = map[string]any{}
	default:
		m.t.Errorf("operation %q", operation)
	}
	status := http.StatusOK
	if err != nil {
		var api interface{ ErrorCode() string }
		if !errors.As(err, &api) {
			m.t.Error(err)
			return
		}
		status, out = http.StatusBadRequest, map[string]any{"__type": api.ErrorCode(), "message": err.Error()}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

func decoded[T any](t *testing.T, r *http.Request) *T {
	t.Helper()
	in := new(T)
	if err := json.NewDecoder(r.Body).Decode(in); err != nil {
		t.Error(err)
	}
	return in
}

// rotate runs the four steps, with the clock moved, and kills the process at its nth move; 0: never.
func (m *machine) rotate(offset time.Duration, nth int32) error {
	version := m.world.sm.Rotate()
	var events []string
	for _, step := range []rotation.Step{
		rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret,
	} {
		events = append(events, event(step, version))
	}
	return m.run(offset, events, nth)
}

// run starts a process and sends it the events, until one fails.
func (m *machine) run(offset time.Duration, events []string, nth int32) error {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	clockFile := filepath.Join(m.t.TempDir(), "clock")
	if err := os.WriteFile(clockFile, []byte(offset.String()), 0o600); err != nil {
		return err
	}
	process, err := lambda.Start(ctx, m.binary, []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + m.secrets.URL, "SECRET_PREFIX=" + prefix, "ALLOWED_HOSTS=",
		"EXTRA_CA_FILE=" + m.roots,
		"CRONBEARER_TEST_ALLOW_LOOPBACK=1", "CRONBEARER_TEST_CLOCK=" + clockFile,
	}, m.t.TempDir())
	if err != nil {
		return err
	}
	defer process.Close()
	kill := func(move int32) bool {
		if nth == 0 || move < nth {
			return false
		}
		process.Kill()
		return true
	}
	if m.kill.CompareAndSwap(nil, &kill) || nth == 0 {
		m.kill.Store(&kill)
	}
	err = send(ctx, process, events)
	out := process.Output()
	if said := string(out.Stdout) + string(out.Stderr) + fmt.Sprint(err); strings.Contains(said, canary) {
		m.t.Errorf("a secret got out: %s", said)
	}
	return err
}

// send invokes the process for each event, until one fails.
func send(ctx context.Context, process *lambda.Process, events []string) error {
	for _, e := range events {
		answer, dead, err := process.Invoke(
			ctx, lambda.Event{RequestID: "request", Payload: []byte(e), FunctionARN: function}, limit,
		)
		switch {
		case err != nil:
			return err
		case dead:
			return errDied
		case answer.Failed:
			return errors.New(answer.ErrorType + ": " + answer.Message)
		}
	}
	return nil
}
