package view

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/exit"
)

// maxTyped bounds what is read at a prompt, in bytes: Secrets Manager's limit of a secret.
const maxTyped = 65536

// Secret asks for a line that is not shown. The terminal is in raw mode meanwhile, as its own line editing ends at
// 4,096 bytes and tokens do not; it is restored on every way out, an interrupt included. What is pasted over several
// lines is rejected: the rest of it would be typed into the shell.
func (s *IO) Secret(ctx context.Context, question string) (string, error) {
	file, ok := s.In.(*os.File)
	if !s.CanPrompt() || !ok {
		return "", &exit.Error{
			Status: exit.Declined, Code: "NoTerminal", Text: "there is no terminal to ask on: " + question,
			Fix: "pass --file <file>, or --file - for standard input",
		}
	}
	// Before the question: once it is read, the answer may be typed, and nothing of that is shown.
	before, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	fmt.Fprintf(s.Out, "%s: ", question)
	defer func() {
		_ = term.Restore(int(file.Fd()), before) // there is nothing else to do about it
		fmt.Fprintln(s.Out)
	}()
	return interruptible(ctx, func() (string, error) { return typed(file) })
}

// The keys that mean something in raw mode.
const (
	keyInterrupt = 0x03
	keyEnd       = 0x04
	keyBackspace = 0x08
	keyDelete    = 0x7f
	keyKill      = 0x15
	keyEscape    = 0x1b
)

// pasted are the brackets that a terminal may put around what is pasted.
var pasted = [][]byte{[]byte("\x1b[200~"), []byte("\x1b[201~")}

// typed reads a line. One read returns what was pasted, or what was typed since.
func typed(file *os.File) (string, error) {
	var line []byte
	buffer := make([]byte, maxTyped)
	for {
		n, err := file.Read(buffer)
		if err != nil || n == 0 {
			return "", &exit.Error{Status: exit.Declined, Code: "NoAnswer", Text: "no answer", Err: err}
		}
		chunk := buffer[:n]
		for _, bracket := range pasted {
			chunk = bytes.ReplaceAll(chunk, bracket, nil)
		}
		var done bool
		if line, done, err = edit(line, chunk); err != nil {
			return "", err
		}
		if done {
			return string(line), nil
		}
		if len(line) > maxTyped {
			return "", exit.Failed("TooLong", "that is longer than a secret can be, %d bytes", maxTyped)
		}
	}
}

// edit adds keys to a line; done reports that it is complete.
func edit(line, keys []byte) (_ []byte, done bool, err error) {
	for i := 0; i < len(keys); i++ {
		switch key := keys[i]; key {
		case keyInterrupt:
			return nil, false, &exit.Error{Status: exit.Interrupted, Code: "Interrupted", Text: "interrupted"}
		case keyEnd:
			if len(line) == 0 {
				return nil, false, &exit.Error{Status: exit.Declined, Code: "NoAnswer", Text: "no answer"}
			}
		case '\r', '\n':
			if rest := strings.TrimSpace(string(keys[i:])); rest != "" {
				e := exit.Failed("SeveralLines", "that was more than one line, and a prompt accepts one")
				e.Fix = "pass --file <file>, or --file - for standard input"
				return nil, false, e
			}
			return line, true, nil
		case keyBackspace, keyDelete:
			if len(line) > 0 {
				_, size := utf8.DecodeLastRune(line)
				line = line[:len(line)-size]
			}
		case keyKill:
			line = line[:0]
		case keyEscape:
			i += escaped(keys[i+1:])
		default:
			line = append(line, key)
		}
	}
	return line, false, nil
}

// escaped returns the length of what follows an escape: an arrow or another key without text (ECMA-48 section 5.4).
func escaped(rest []byte) int {
	if len(rest) == 0 || rest[0] != '[' && rest[0] != 'O' {
		return 0
	}
	for i, b := range rest[1:] {
		if 0x40 <= b && b <= 0x7e {
			return i + 2 //nolint:mnd // the bracket and the final byte
		}
	}
	return len(rest)
}
