package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// binary runs the real caller, as Lambda would, with a token that it gets from the server. Lambda, Secrets Manager and
// CloudWatch are the least that a run needs: infra/local is the model that is faithful to AWS.
func (s *suite) binary() []check {
	return []check{{"caller binary: calls with a minted token, reuses it, and reports the refused client", func(ctx context.Context) error {
		const client = "binary"
		register := func(secret string) error {
			return s.server.setClient(map[string]any{
				"client_id": client, "client_secret": secret, "token_endpoint_auth_method": "client_secret_basic",
				"grant_types": []string{"client_credentials"}, "response_types": []string{}, "redirect_uris": []string{},
			})
		}
		s.passwords[client] = s.password()
		if err := register(s.passwords[client]); err != nil {
			return err
		}
		c, err := s.startCaller(ctx, client)
		if err != nil {
			return err
		}
		defer c.stop()

		for range 2 {
			r, err := c.invoke(ctx)
			if err != nil {
				return err
			}
			var result struct{ Outcome, Verdict string }
			if err := json.Unmarshal(r.body, &result); err != nil || r.kind != "response" || result.Outcome != "succeeded" || result.Verdict != "accepted" {
				return fmt.Errorf("the run ended with %s: %s", r.kind, r.body)
			}
		}
		if c.target.tokens() != 1 {
			return fmt.Errorf("two runs in one environment called with %d tokens", c.target.tokens())
		}
		// The client's secret is changed at the provider, and the token that was minted with the old one is revoked.
		if err := register(s.password()); err != nil {
			return err
		}
		c.target.refuse()
		r, err := c.invoke(ctx)
		if err != nil {
			return err
		}
		if r.kind != "error" || r.errorType != "TokenRejectedError" || !strings.Contains(c.output.String(), "invalid_client") {
			return fmt.Errorf("the warm run ended with %s %s: %s\n%s", r.kind, r.errorType, r.body, c.output)
		}
		c.restart()
		cold, err := c.invoke(ctx)
		if err != nil {
			return err
		}
		if cold.kind != "error" || cold.errorType != "TokenRejectedError" || !bytes.Contains(cold.body, []byte("invalid_client")) {
			return fmt.Errorf("the cold run ended with %s %s: %s", cold.kind, cold.errorType, cold.body)
		}
		if !bytes.Contains(c.published(), []byte("TokenRejected")) {
			return errors.New("TokenRejected was not published")
		}
		said := c.output.String() + string(r.body) + string(cold.body) + string(c.published())
		for _, secret := range s.secrets {
			if strings.Contains(said, secret) {
				return errors.New("the binary showed a secret")
			}
		}
		return nil
	}}}
}

// caller is the running binary and what stands around it.
type caller struct {
	events  chan []byte
	results chan result
	output  *lockedBuffer
	target  *target
	stop    func()
	restart func() // a cold start

	mu      sync.Mutex
	metrics []byte
}

// result is what the binary posts for an invocation.
type result struct {
	kind      string // response or error
	errorType string
	body      []byte
}

func (s *suite) startCaller(ctx context.Context, client string) (*caller, error) {
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		return nil, fmt.Errorf("a folder: %w", err)
	}
	program, roots := filepath.Join(folder, "caller"), filepath.Join(folder, "roots.pem")
	c := &caller{events: make(chan []byte), results: make(chan result), output: &lockedBuffer{}, target: &target{server: s.server, seen: map[string]bool{}}}

	const readable = 0o600
	if err := os.WriteFile(roots, s.authority.caPEM, readable); err != nil {
		return nil, fmt.Errorf("the roots: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", program, "./"+filepath.Join(s.dir, "..", "..", "functions", "caller"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the caller: %w\n%s", err, text)
	}

	targets := httptest.NewUnstartedServer(c.target)
	targets.TLS = &tls.Config{Certificates: []tls.Certificate{s.authority.certificate}, MinVersion: tls.VersionTLS12}
	targets.StartTLS()
	host := "localhost:" + targets.URL[strings.LastIndex(targets.URL, ":")+1:]
	secret, err := json.Marshal(map[string]any{"hosts": []string{host}, "oauth2": and(s.withPassword(client, "basic"), "token_url", s.server.tokenURL())})
	if err != nil {
		return nil, fmt.Errorf("the secret: %w", err)
	}
	c.target.event = fmt.Sprintf(`{"job":"Interop","token":"Interop","secret":"interop","call":"GET https://%s/v1/reports","attempts":1}`, host)
	aws := httptest.NewServer(c.aws(string(secret)))
	runtime := httptest.NewServer(c.runtime())

	environment := []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=interop",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=" + rand.Text(), "AWS_SECRET_ACCESS_KEY=" + rand.Text(), "AWS_ENDPOINT_URL=" + aws.URL,
		"STACK_NAME=interop", "SECRET_PREFIX=interop/", "METRIC_NAMESPACE=Cronbearer", "ALLOWED_HOSTS=" + host,
		"EXTRA_CA_FILE=" + roots, "CRONBEARER_TEST_ALLOW_LOOPBACK=1",
	}
	end := func() {}
	c.restart = func() {
		end()
		process := exec.CommandContext(ctx, program)
		process.Stdout, process.Stderr, process.Env = c.output, c.output, environment
		if err := process.Start(); err != nil {
			_, _ = fmt.Fprintln(c.output, err) // invoke then says that no event was taken
			return
		}
		end = func() { _, _ = process.Process.Kill(), process.Wait() }
	}
	c.restart()
	c.stop = func() {
		end()
		for _, server := range []*httptest.Server{runtime, aws, targets} {
			server.CloseClientConnections()
			server.Close()
		}
		_ = os.RemoveAll(folder)
	}
	return c, nil
}

func (c *caller) invoke(ctx context.Context) (result, error) {
	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case c.events <- []byte(c.target.event):
	case <-ctx.Done():
		return result{}, fmt.Errorf("the caller took no event: %s", c.output)
	}
	select {
	case r := <-c.results:
		return r, nil
	case <-ctx.Done():
		return result{}, fmt.Errorf("the caller gave no result: %s", c.output)
	}
}

// runtime is Lambda's Runtime API (Lambda Developer Guide, "Using the Lambda runtime API").
func (c *caller) runtime() http.Handler {
	const root = "/2018-06-01/runtime/invocation/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-c.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", rand.Text())
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:interop")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST "+root+"{id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var failure struct{ ErrorType string }
		_ = json.Unmarshal(body, &failure)
		w.WriteHeader(http.StatusAccepted)
		c.results <- result{r.PathValue("kind"), failure.ErrorType, body}
	})
	return mux
}

// aws is one secret, and a CloudWatch that takes every metric (Smithy's RPC v2 CBOR; 0xa0 is an empty map).
func (c *caller) aws(secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Target") == "secretsmanager.GetSecretValue" {
			_ = json.NewEncoder(w).Encode(map[string]any{
				"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:interop/interop-AbCdEf", "Name": "interop/interop",
				"VersionId": "11111111-1111-4111-8111-111111111111", "VersionStages": []string{"AWSCURRENT"}, "SecretString": secret,
			})
			return
		}
		c.mu.Lock()
		c.metrics = append(c.metrics, body...)
		c.mu.Unlock()
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		_, _ = w.Write([]byte{0xa0})
	})
}

func (c *caller) published() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.metrics)
}

// target takes what the authorisation server honours, until refuse.
type target struct {
	server *server
	event  string

	mu      sync.Mutex
	seen    map[string]bool
	refused bool
}

func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	found, err := t.server.find(bearer)
	if err != nil || found.Client == "" || t.refused {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	t.seen[bearer] = true
	w.WriteHeader(http.StatusOK)
}

func (t *target) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = true
}

func (t *target) tokens() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
