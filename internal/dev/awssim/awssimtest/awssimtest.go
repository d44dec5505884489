// Package awssimtest starts the simulator (package awssim) for tests: it builds the real binaries once for a test
// process, with the race detector where the tests have it, and closes each cloud at the end of its test. It is not for
// the demo and the measurements, which bring their own binaries.
package awssimtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/gobuild"
	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// binaries are built at their first use, into a directory that Main removes.
var binaries struct {
	mu    sync.Mutex
	dir   string
	built map[string]built
}

type built struct {
	path string
	err  error
}

// Main runs a package's tests and removes what they built. Use it as func TestMain(m *testing.M) {
// os.Exit(awssimtest.Main(m)) }: a directory of one test's own would be gone before the next test needs it.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cronbearer-binaries-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "awssimtest:", err)
		return 1
	}
	binaries.dir, binaries.built = dir, map[string]built{}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "awssimtest:", err)
		return 1
	}
	return code
}

// Root is the top of the repository.
func Root() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Template is the project's own copy of the application's.
func Template() string { return filepath.Join(Root(), filepath.FromSlash(shipped.Path)) }

// Binary builds functions/<name>, with the race detector where the tests have it.
func Binary(t testing.TB, name string) string {
	t.Helper()
	binaries.mu.Lock()
	defer binaries.mu.Unlock()
	if binaries.built == nil {
		t.Fatal("awssimtest.Binary needs awssimtest.Main: see there")
	}
	b, ok := binaries.built[name]
	if !ok {
		b.path = filepath.Join(binaries.dir, name)
		b.err = build(name, b.path)
		binaries.built[name] = b
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func build(name, path string) error {
	program, err := gobuild.Function(Root(), name)
	if err != nil {
		return err
	}
	program.Race = RaceEnabled
	return program.To(context.Background(), path)
}

// Binaries builds every function that there is, by the logical ids of the template.
func Binaries(t testing.TB) map[string]string {
	t.Helper()
	mains, err := filepath.Glob(filepath.Join(Root(), "functions", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions below %s: %v", Root(), err)
	}
	all := map[string]string{}
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		all[strings.ToUpper(name[:1])+name[1:]] = Binary(t, name)
	}
	return all
}

// Start deploys the real template with the real binaries. What the options leave out gets its default; the cloud stops
// with the test.
func Start(t testing.TB, o awssim.Options) *awssim.Cloud {
	t.Helper()
	if o.Template == "" {
		o.Template = Template()
	}
	if o.Binaries == nil {
		o.Binaries = map[string]string{"Caller": Binary(t, "caller")}
	}
	cloud, err := awssim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}
