package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
)

// The subjects' names.
const (
	subjectEmpty  = "empty"
	subjectBare   = "bare"
	subjectNaive  = "naive"
	subjectOurs   = "cronbearer"
	subjectPython = "python"
	subjectNode   = "node"
)

// subject is one program that is measured.
type subject struct {
	name    string
	what    string
	command []string
	env     []string
	rejects bool // also measured on a token that is dead
	peer    bool // slow: takes part in the first rounds only
	absent  string
}

// buildOf is how the Go program of a subject is built.
func buildOf(root, name string) gobuild.Program {
	switch name {
	case subjectOurs:
		return gobuild.Program{Dir: root, Package: "./functions/caller"}
	case subjectNaive: // a module of its own
		return gobuild.Program{Dir: filepath.Join(root, "internal", "dev", "bench", name), Package: "."}
	default:
		return gobuild.Program{Dir: root, Package: "./internal/dev/bench/" + name}
	}
}

// subjects builds what is measured. root is the module's directory.
func subjects(ctx context.Context, root string, w *world) ([]subject, error) {
	bin := func(name string) string { return filepath.Join(w.dir, name) }
	list := []subject{
		{name: subjectEmpty, what: "aws-lambda-go, a handler that does nothing"},
		{name: subjectBare, what: "one HTTPS call: no SDK, no checks; our processor, collector and roots"},
		{name: subjectNaive, what: "SDK defaults, secret and metric in every run", rejects: true},
		{name: subjectOurs, what: "the deployed caller, all checks on", rejects: true},
	}
	for i := range list {
		s := &list[i]
		s.command = []string{bin(s.name)}
		if err := buildOf(root, s.name).To(ctx, s.command[0]); err != nil {
			return nil, err
		}
	}
	list[len(list)-1].env = oursEnv(w)
	return append(list, python(ctx, root), node(ctx, root)), nil
}

// named is the subject of a name that subjects makes.
func named(list []subject, name string) subject {
	return list[slices.IndexFunc(list, func(s subject) bool { return s.name == name })]
}

// oursEnv is what the template sets for the caller; the last line lets it call loopback, as no deployed function can.
func oursEnv(w *world) []string {
	return []string{
		"STACK_NAME=" + stackName, "METRIC_NAMESPACE=Bench", "SECRET_PREFIX=" + stackName + "/", "SECRET_CACHE_TTL=5m",
		"ALLOWED_HOSTS=" + w.target, "ALLOW_PRIVATE_TARGETS=false", "IDEMPOTENCY_HEADER=Idempotency-Key", "REMIND_AFTER=20h",
		"ALARM_PREFIX=" + stackName + "-TokenRejected-", "LOG_LEVEL=info",
		"CRONBEARER_TEST_ALLOW_LOOPBACK=1",
	}
}

// peer is a file of the subjects in other languages.
func peer(root, name string) string {
	return filepath.Join(root, "internal", "dev", "bench", "peers", name)
}

func python(ctx context.Context, root string) subject {
	s := subject{name: subjectPython, what: "boto3, secret and metric in every run", peer: true}
	path, err := exec.LookPath("python3")
	if err != nil {
		s.absent = "python3 is not installed"
		return s
	}
	// A version manager's stand-in for the interpreter would be measured with it.
	executable, err := exec.CommandContext(ctx, path, "-c", "import sys, boto3, urllib3; print(sys.executable)").Output()
	if err != nil {
		s.absent = "python3 has no boto3"
		return s
	}
	s.command = []string{strings.TrimSpace(string(executable)), peer(root, "naive.py")}
	return s
}

func node(ctx context.Context, root string) subject {
	s := subject{name: subjectNode, what: "SDK v3, secret and metric in every run", peer: true}
	path, err := exec.LookPath("node")
	if err != nil {
		s.absent = "node is not installed"
		return s
	}
	if _, err := os.Stat(peer(root, "node_modules")); err != nil {
		s.absent = "the SDK is not installed: npm ci --prefix internal/dev/bench/peers"
		return s
	}
	executable, err := exec.CommandContext(ctx, path, "-p", "process.execPath").Output()
	if err != nil {
		s.absent = "node does not start"
		return s
	}
	s.command = []string{strings.TrimSpace(string(executable)), peer(root, "naive.js")}
	return s
}

// environment is what every subject gets: Lambda's variables, the stand-ins, the roots.
func environment(w *world, runtimeAPI string, megabytes int) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir,
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI, fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", megabytes),
		"AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "_HANDLER=bootstrap",
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=" + strings.Repeat("x", 40),
		"AWS_SESSION_TOKEN=" + strings.Repeat("y", 400),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=https://" + w.secrets, "AWS_ENDPOINT_URL_CLOUDWATCH=https://" + w.cloudWatch,
		"SSL_CERT_FILE=" + w.bundle, "NODE_EXTRA_CA_CERTS=" + w.bundle, "AWS_CA_BUNDLE=" + w.bundle,
		"BENCH_TOKEN=" + tokenValue, "BENCH_SECRET=" + secretName,
	}
}

// moduleRoot is the directory of the module's go.mod, from wherever in it the program was started.
func moduleRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	name := strings.TrimSpace(string(text))
	if err != nil || name == "" || name == os.DevNull {
		return "", errors.New("run this from within the repository: go run ./internal/dev/bench")
	}
	return filepath.Dir(name), nil
}
