package main_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/cronbearer/cronbearer/internal/dev/shipped"
)

// screen is what a terminal shows so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (s *screen) copyFrom(r io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		s.mu.Lock()
		s.text.Write(buffer[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor returns when the screen shows a text.
func (s *screen) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("the terminal does not show %q but %q", text, s)
		}
	}
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestPromptShowsNothing types at the prompt only once it is there, in a process of its own at a real pseudo-terminal:
// nothing of what was typed is shown, and echo is on again afterwards, on an interrupt, too.
func TestPromptShowsNothing(t *testing.T) {
	t.Parallel()
	const canary = "fake-token-canary-0123456789"
	cases := map[string]struct {
		keys  string
		want  string
		exits int
	}{
		"typed":                 {keys: canary + "\r", want: "28 bytes"},
		"pasted in brackets":    {keys: "\x1b[200~" + canary + "\x1b[201~\r", want: "28 bytes"},
		"corrected":             {keys: canary + "xx\x7f\x7f\r", want: "28 bytes"},
		"longer than a line":    {keys: strings.Repeat("a", 3000) + strings.Repeat("b", 3000) + "\r", want: "6000 bytes"},
		"several lines":         {keys: canary + "\r" + canary + "\r", want: "more than one line", exits: 1},
		"interrupted":           {keys: canary + "\x03", want: "interrupted", exits: 130},
		"ended without a line":  {keys: "\x04", want: "no answer", exits: 4},
		"started again by ^U":   {keys: "wrong\x15" + canary + "\r", want: "28 bytes"},
		"an arrow key is typed": {keys: canary + "\x1b[D\r", want: "28 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), promptEnv+"=1")
			master, slave, err := pty.Open()
			if err != nil {
				t.Skip("this machine has no pseudo-terminals:", err)
			}
			defer func() { _ = master.Close() }()
			defer func() { _ = slave.Close() }()
			command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
			s := &screen{more: make(chan struct{}, 1)}
			go s.copyFrom(master)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			s.waitFor(t, "nothing is shown: ")
			for chunk := range slices.Chunk([]byte(c.keys), 2000) {
				if _, err := master.Write(chunk); err != nil {
					t.Fatal(err)
				}
			}
			err = command.Wait()
			s.waitFor(t, c.want)
			if got := command.ProcessState.ExitCode(); got != c.exits {
				t.Errorf("exit code %d (%v), want %d: %q", got, err, c.exits, s)
			}
			if strings.Contains(s.String(), "canary") || strings.Contains(s.String(), "aaaa") {
				t.Errorf("the terminal shows what was typed: %q", s)
			}
			if !echoes(t, slave) {
				t.Error("echo is off afterwards")
			}
		})
	}
}

// TestDevIsMovedByKeysAtATerminal presses the keys of `cronbearer dev` at a pseudo-terminal; echo is on afterwards.
func TestDevIsMovedByKeysAtATerminal(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	built, err := functions(root)
	if err != nil {
		t.Fatal(err)
	}
	template := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(template, []byte(shipped.Template()), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), toolEnv+"=dev --listen 127.0.0.1:0 -t "+template, "NO_COLOR=1",
		"CRONBEARER_TEST_NOW="+now, "CRONBEARER_TEST_FUNCTIONS="+filepath.Dir(built["Caller"]))
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("this machine has no pseudo-terminals:", err)
	}
	defer func() { _ = master.Close() }()
	defer func() { _ = slave.Close() }()
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	s := &screen{more: make(chan struct{}, 1)}
	go s.copyFrom(master)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, "q quit")
	for _, step := range []struct{ key, want string }{
		{key: " ", want: "HourlySync  200  succeeded  accepted"},
		{key: "k", want: "ExampleApi dies"},
		{key: "h", want: "HourlySync  401  token_rejected  rejected"},
		{key: "m", want: "ALARM: \"cronbearer-TokenRejected"},
		{key: "p", want: "a new token is stored"},
	} {
		if _, err := io.WriteString(master, step.key); err != nil {
			t.Fatal(err)
		}
		s.waitFor(t, step.want)
	}
	if _, err := io.WriteString(master, "q"); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %q", err, s)
	}
	if !echoes(t, slave) {
		t.Error("echo is off afterwards")
	}
}
