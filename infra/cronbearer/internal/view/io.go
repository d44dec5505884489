// Package view is how the operator's tool talks to people and to programs: the streams and what they are connected to,
// prompts, tables, wrapped text, JSON documents. It decides nothing about what is said. The rules are those of the
// GitHub CLI: a prompt needs a terminal on both sides, a table becomes tab-separated values when it is piped, and
// colour adds nothing that words do not say.
package view

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// DefaultWidth is the width of what is written for people, in columns, unless the terminal is narrower.
const DefaultWidth = 80

// IO is where a command reads and writes. Commands use nothing else.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Width of the terminal in columns; DefaultWidth without one.
	Width int
	// InTTY and OutTTY report whether that end is a terminal.
	InTTY, OutTTY bool
	// Color reports whether escape sequences may be written.
	Color bool
	// JSON reports whether the output is one JSON document: nothing else is written then, and nothing is asked.
	JSON bool
	// Zone is the reader's.
	Zone *time.Location

	lines *bufio.Reader
}

// System returns the process's own streams. CRONBEARER_FORCE_TTY=<columns> makes standard output a terminal of that
// width, for recordings and tests; NO_COLOR and TERM=dumb switch colour off.
func System(getenv func(string) string) *IO {
	s := &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Width: DefaultWidth, Zone: time.Local,
		InTTY: term.IsTerminal(int(os.Stdin.Fd())), OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
	}
	if s.OutTTY {
		if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
			s.Width = width
		}
	}
	if forced := getenv("CRONBEARER_FORCE_TTY"); forced != "" {
		s.OutTTY = true
		if width, err := strconv.Atoi(forced); err == nil && width > 0 {
			s.Width = width
		}
	}
	s.Color = s.OutTTY && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return s
}

// TextWidth returns the width of running text: the terminal's, at most DefaultWidth, as long lines are hard to read.
func (s *IO) TextWidth() int { return min(s.Width, DefaultWidth) }

// Printf writes to standard output.
func (s *IO) Printf(format string, arguments ...any) { fmt.Fprintf(s.Out, format, arguments...) }

// Println writes a line to standard output.
func (s *IO) Println(arguments ...any) { fmt.Fprintln(s.Out, arguments...) }

// Notef writes a line for people to standard error: progress and remarks. Under --json it writes nothing.
func (s *IO) Notef(format string, arguments ...any) {
	if !s.JSON {
		fmt.Fprintln(s.Err, Wrap(fmt.Sprintf(format, arguments...), 0, s.TextWidth()))
	}
}

// CanPrompt reports whether a question can be asked and answered.
func (s *IO) CanPrompt() bool { return s.InTTY && s.OutTTY && !s.JSON }

// Ask asks for a value that may be shown. Without a terminal it fails and names the flag that answers the question.
func (s *IO) Ask(ctx context.Context, question, flag string) (string, error) {
	if !s.CanPrompt() {
		return "", &exit.Error{
			Status: exit.Declined, Code: "NoTerminal",
			Text: "there is no terminal to ask on: " + question, Fix: "pass " + flag,
		}
	}
	fmt.Fprintf(s.Out, "%s: ", question)
	return s.line(ctx)
}

// Confirm asks a question whose answer is no unless it is y or yes. With yes it is not asked. Without a terminal it
// fails and names the flag.
func (s *IO) Confirm(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if !s.CanPrompt() {
		return &exit.Error{
			Status: exit.Declined, Code: "NoTerminal",
			Text: "there is no terminal to confirm on: " + question, Fix: "pass --yes",
		}
	}
	fmt.Fprintf(s.Out, "%s [y/N] ", question)
	answer, err := s.line(ctx)
	if err != nil {
		return err
	}
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return &exit.Error{Status: exit.Declined, Code: "Declined", Text: "nothing was done"}
	}
	return nil
}

// line reads what is typed, until an interrupt. The read itself cannot be stopped: it is left to the process's end.
func (s *IO) line(ctx context.Context) (string, error) {
	if s.lines == nil {
		s.lines = bufio.NewReader(s.In)
	}
	return interruptible(ctx, func() (string, error) {
		text, err := s.lines.ReadString('\n')
		if err != nil && text == "" {
			return "", &exit.Error{Status: exit.Declined, Code: "NoAnswer", Text: "no answer", Err: err}
		}
		return strings.TrimSpace(text), nil
	})
}

// interruptible waits for an answer, or for the end of ctx.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	answer := make(chan result, 1)
	go func() {
		text, err := read()
		answer <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", exit.From(ctx.Err())
	case r := <-answer:
		return r.text, r.err
	}
}

// Versioned is embedded at the top of each JSON document. Within a major version members are only added.
type Versioned struct {
	Version int `json:"version"`
}

// V1 is the version of the documents.
var V1 = Versioned{Version: 1}

// WriteJSON writes one document.
func (s *IO) WriteJSON(document any) error {
	encoder := json.NewEncoder(s.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document) //nolint:wrapcheck // a closed pipe, said by the system
}
