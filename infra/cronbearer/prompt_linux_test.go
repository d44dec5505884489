package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/cronbearer/cronbearer/docs/providers"
	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
	"github.com/cronbearer/cronbearer/internal/dev/pki"
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

// A terminal is a process of the tool at a pseudo-terminal.
type terminal struct {
	*screen

	t       *testing.T
	command *exec.Cmd
	keys    *os.File
	slave   *os.File
}

// atTerminal starts the tool. The terminal is the process's own, so that ^C is an interrupt.
func atTerminal(t *testing.T, line string, environment ...string) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("this machine has no pseudo-terminals:", err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	one := &terminal{
		screen: &screen{more: make(chan struct{}, 1)}, t: t, keys: master, slave: slave,
		command: exec.CommandContext(t.Context(), os.Args[0]),
	}
	one.command.Env = append(append(os.Environ(), toolEnv+"="+line, "NO_COLOR=1"), environment...)
	one.command.Stdin, one.command.Stdout, one.command.Stderr = slave, slave, slave
	one.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go one.copyFrom(master)
	if err := one.command.Start(); err != nil {
		t.Fatal(err)
	}
	return one
}

// answer types once a question is there.
func (o *terminal) answer(question, keys string) {
	o.t.Helper()
	o.waitFor(o.t, question)
	if _, err := io.WriteString(o.keys, keys); err != nil {
		o.t.Fatal(err)
	}
}

// ends holds the exit code, that the terminal shows what is typed again, and that it has not shown what is secret.
func (o *terminal) ends(status int) {
	o.t.Helper()
	err := o.command.Wait()
	if got := o.command.ProcessState.ExitCode(); got != status {
		o.t.Errorf("exit code %d (%v), want %d: %q", got, err, status, o)
	}
	for _, secret := range []string{"canary", "PRIVATE KEY--"} {
		if strings.Contains(o.String(), secret) {
			o.t.Errorf("the terminal shows %q: %q", secret, o)
		}
	}
	if !echoes(o.t, o.slave) {
		o.t.Error("echo is off afterwards")
	}
}

// fieldsOf are the questions of a form, with an answer to each. What is secret is a canary.
func fieldsOf(t *testing.T, form providers.Form, folder string) (questions, answers []string) {
	t.Helper()
	for _, p := range form.Placeholders() {
		switch name := strings.Trim(p, "<>"); {
		case providers.File(name):
			kind, _, _ := strings.Cut(name, " ")
			if strings.Contains(name, "certificate") {
				kind = "certificate"
			}
			questions = append(questions, "File with the "+name+": ")
			answers = append(answers, filepath.Join(folder, kind+".pem"))
		case providers.Secret(name):
			questions = append(questions, name+" (nothing is shown): ")
			answers = append(answers, "canary0123456789")
		default:
			questions = append(questions, name+": ")
			answers = append(answers, "example0123456789")
		}
	}
	return questions, answers
}

// TestProviderFormsAtATerminal fills in each form of each page of docs/providers at a pseudo-terminal: it is asked for
// field by field, stored, and no secret is shown. And at each question of each form, ^C ends it: nothing is stored, and
// echo is on again.
func TestProviderFormsAtATerminal(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeKeys(t, folder)
	s := newStage(t, true)
	environment := []string{"CRONBEARER_LOCAL=" + s.url, "CRONBEARER_TEST_NOW=" + now}
	interrupted := map[string]bool{}
	for _, name := range providers.Names() {
		forms, err := providers.Forms(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, form := range forms {
			choice := fmt.Sprintf("%s/%d", name, i+1)
			line := "token set ExampleApi --provider " + choice + " -t " + filepath.Join(s.folder, "template.yaml")
			questions, answers := fieldsOf(t, form, folder)
			t.Run(choice, func(t *testing.T) {
				t.Parallel()
				one := atTerminal(t, line, environment...)
				for n, question := range questions {
					one.answer(question, answers[n]+"\r")
				}
				one.answer("[y/N] ", "y\r")
				one.answer("[Y/n]: ", "n\r")
				one.waitFor(t, "✓ stored")
				one.ends(exit.OK)
			})
			for n, question := range questions {
				if interrupted[question] {
					continue // of another form
				}
				interrupted[question] = true
				t.Run(fmt.Sprintf("%s interrupted at %s", choice, strings.TrimSuffix(question, ": ")), func(t *testing.T) {
					t.Parallel()
					one := atTerminal(t, line, environment...)
					for before := range n {
						one.answer(questions[before], answers[before]+"\r")
					}
					one.answer(question, "can\x03")
					one.waitFor(t, "interrupted")
					one.ends(exit.Interrupted)
				})
			}
		}
	}
	if len(interrupted) == 0 {
		t.Error("there is no form")
	}
}

// writeKeys writes a private key of each kind and a certificate, named by kind.
func writeKeys(t *testing.T, folder string) {
	t.Helper()
	k := pki.SigningKeys()
	for kind, text := range map[string]string{
		"RSA": k.RSA, "EC": k.P256, "Ed25519": k.Ed25519, "certificate": k.CertificateRSA,
	} {
		if err := os.WriteFile(filepath.Join(folder, kind+".pem"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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
	s := atTerminal(t, "dev --listen 127.0.0.1:0 -t "+template, "CRONBEARER_TEST_NOW="+now,
		"CRONBEARER_TEST_FUNCTIONS="+filepath.Dir(built["Caller"]))
	s.waitFor(t, "q quit")
	for _, step := range []struct{ key, want string }{
		{key: " ", want: "HourlySync  200  succeeded  accepted"},
		{key: "k", want: "ExampleApi dies"},
		{key: "h", want: "HourlySync  401  token_rejected  rejected"},
		{key: "m", want: "ALARM: \"cronbearer-TokenRejected"},
		{key: "p", want: "a new token is stored"},
	} {
		s.answer("", step.key)
		s.waitFor(t, step.want)
	}
	s.answer("", "q")
	s.ends(exit.OK)
}
