package rotation_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/cronbearer/cronbearer/internal/rotation"
)

// built is the rotator, as it is deployed: infra/bench builds the caller so, too, and neither compiles the packages twice.
func built(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "rotator")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, "../../functions/rotator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
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
				case !honoured && strings.Contains(fmt.Sprint(err), "LogInAgainError: "):
					logins.Add(1)
				default:
					t.Errorf("honoured: %t, then: %v", honoured, err)
				}
			})
		}
	})
	t.Logf("%d places to die at, %d of them between the provider's answer and the store", places.Load(), windows.Load())
	if windows.Load() != 2 || logins.Load() != 2 { // the provider's answer is lost, and the request to store it
		t.Errorf("%d windows, %d of them told; want the two moves between the provider's answer and the store", windows.Load(), logins.Load())
	}
}

// TestTwoBinaries on one version exchange once.
func TestTwoBinaries(t *testing.T) {
	t.Parallel()
	binary := built(t)
	m := newMachine(t, binary)
	m.world.provider.delay = func() time.Duration { return time.Second }
	version := m.world.sm.rotate()
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
	certificate, roots := localhost(t)
	m.roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(m.roots, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProvider()
	id := httptest.NewUnstartedServer(m.killing(p))
	id.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
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

// localhost makes a certificate that is its own root.
func localhost(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
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
	sm.mu.Lock()
	defer sm.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	var out any
	var err error
	switch operation {
	case "DescribeSecret":
		d := sm.describe()
		out = map[string]any{
			"ARN": d.ARN, "Name": d.Name, "RotationEnabled": d.RotationEnabled, "RotationLambdaARN": d.RotationLambdaARN,
			"VersionIdsToStages": d.VersionIdsToStages,
		}
	case "GetSecretValue":
		var v *secretsmanager.GetSecretValueOutput
		if v, err = sm.get(decoded[secretsmanager.GetSecretValueInput](m.t, r)); err == nil {
			out = map[string]any{"ARN": v.ARN, "Name": v.Name, "VersionId": v.VersionId, "SecretString": v.SecretString, "CreatedDate": v.CreatedDate.Unix()}
		}
	case "PutSecretValue":
		_, err = sm.put(decoded[secretsmanager.PutSecretValueInput](m.t, r))
		out = map[string]any{}
	case "UpdateSecretVersionStage":
		_, err = sm.update(decoded[secretsmanager.UpdateSecretVersionStageInput](m.t, r))
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
	version := m.world.sm.rotate()
	var events []string
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
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
	api := newRuntimeAPI(events)
	server := httptest.NewServer(api)
	defer server.Close()
	defer api.stop()
	var out output
	cmd := exec.CommandContext(ctx, m.binary)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + m.secrets.URL,
		"SECRET_PREFIX=" + prefix, "ALLOWED_HOSTS=", "EXTRA_CA_FILE=" + m.roots,
		"CRONBEARER_TEST_ALLOW_LOOPBACK=1", "CRONBEARER_TEST_CLOCK=" + clockFile,
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	kill := func(move int32) bool {
		if nth == 0 || move < nth {
			return false
		}
		_ = cmd.Process.Kill()
		<-exited
		return true
	}
	if m.kill.CompareAndSwap(nil, &kill) || nth == 0 {
		m.kill.Store(&kill)
	}
	var err error
	select {
	case err = <-api.done:
	case <-exited:
		err = errDied
	}
	_ = cmd.Process.Kill()
	<-exited
	if said := out.String() + fmt.Sprint(err); strings.Contains(said, canary) {
		m.t.Errorf("a secret got out: %s", said)
	}
	return err
}

// runtimeAPI is Lambda's (Lambda Developer Guide, "Runtime API").
type runtimeAPI struct {
	events chan string
	done   chan error
	ended  chan struct{}
	left   int
}

func newRuntimeAPI(events []string) *runtimeAPI {
	a := &runtimeAPI{events: make(chan string, len(events)), done: make(chan error, 1), ended: make(chan struct{}), left: len(events)}
	for _, e := range events {
		a.events <- e
	}
	return a
}

func (a *runtimeAPI) stop() { close(a.ended) }

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/invocation/next"):
		select {
		case e := <-a.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request")
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", function)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(limit).UnixMilli(), 10))
			_, _ = io.WriteString(w, e)
		case <-a.ended:
		}
	case strings.HasSuffix(r.URL.Path, "/response"):
		if a.left--; a.left == 0 {
			a.done <- nil
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		var e struct{ ErrorType, ErrorMessage string }
		_ = json.NewDecoder(r.Body).Decode(&e)
		a.done <- errors.New(e.ErrorType + ": " + e.ErrorMessage)
		w.WriteHeader(http.StatusAccepted)
	}
}
