package importer

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// A script is shell text with what is known of its variables. Nothing of it is ever run.
type script struct {
	marks *marks
	zones zones
	// variables that the source defines, by name. Others are not known.
	variables map[string]string
	bash      bool
	// input is what the script reads from standard input, nil if that is not known.
	input *string
	// line is that of the script's first line.
	line int

	calls []curlCall
	notes []string
	// depth of sh -c within sh -c.
	depth int
}

// curlCall is one call of curl.
type curlCall struct {
	line      int
	arguments []string
	input     *string
	// timeout of the timeout command, in seconds.
	timeout int
	// pings reports whether it only reports that a job ran.
	ping string
}

var errSyntax = errors.New("the shell cannot read it")

const maxDepth = 3

// run collects the calls of a script.
func (s *script) run(text string) error {
	variant := syntax.LangPOSIX
	if s.bash {
		variant = syntax.LangBash
	}
	file, err := syntax.NewParser(syntax.Variant(variant)).Parse(strings.NewReader(text), "")
	if err != nil {
		return errSyntax // the parser's own words may quote the source
	}
	return s.statements(file.Stmts)
}

func (s *script) statements(list []*syntax.Stmt) error {
	for _, stmt := range list {
		if err := s.statement(stmt); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) statement(stmt *syntax.Stmt) error {
	switch command := stmt.Cmd.(type) {
	case nil:
		return nil
	case *syntax.CallExpr:
		return s.simple(stmt, command)
	case *syntax.DeclClause:
		return s.assign(command.Args)
	case *syntax.BinaryCmd:
		return s.binary(command)
	case *syntax.Subshell:
		return s.statements(command.Stmts)
	case *syntax.Block:
		return s.statements(command.Stmts)
	case *syntax.TimeClause:
		return s.statement(command.Stmt)
	case *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.TestClause:
		return errConditions
	default:
		return errors.New("it is more than a call of curl")
	}
}

var errConditions = errors.New("it has conditions or loops, and a job makes one call")

func (s *script) binary(b *syntax.BinaryCmd) error {
	before := len(s.calls)
	if err := s.statement(b.X); err != nil {
		return err
	}
	if b.Op == syntax.Pipe || b.Op == syntax.PipeAll {
		return errors.New("a pipe: a job has no input of another program and passes its answer to none")
	}
	if b.Op == syntax.OrStmt && len(s.calls) > before {
		return s.fallback(b.Y)
	}
	return s.statement(b.Y)
}

// fallback reads what runs when the call has failed, which the alarms replace.
func (s *script) fallback(stmt *syntax.Stmt) error {
	other := *s
	other.calls, other.notes = nil, nil
	_ = other.statement(stmt)
	for _, c := range other.calls {
		if c.ping == "" {
			return errors.New("another call after ||: a job makes one call")
		}
	}
	s.note("what follows || is left out: failed runs are kept and raise an alarm")
	return nil
}

func (s *script) note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// simple reads one command with its redirections.
func (s *script) simple(stmt *syntax.Stmt, command *syntax.CallExpr) error {
	if len(command.Args) == 0 {
		return s.assign(command.Assigns)
	}
	if name := path.Base(command.Args[0].Lit()); slices.Contains(quiet, name) {
		s.surround(name) // whatever it is called with
		return nil
	}
	words, err := s.words(command.Args)
	if err != nil {
		return err
	}
	c := curlCall{line: s.line + int(stmt.Pos().Line()) - 1, input: s.input}
	for _, r := range stmt.Redirs {
		if err := s.redirect(r, &c); err != nil {
			return err
		}
	}
	return s.command(words, c)
}

func (s *script) redirect(r *syntax.Redirect, c *curlCall) error {
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		text, err := s.literal(r.Hdoc)
		if r.Hdoc == nil || err != nil {
			return errors.New("a here-document that cannot be read")
		}
		c.input = &text
	case syntax.WordHdoc:
		text, err := s.literal(r.Word)
		if err != nil {
			return err
		}
		text += "\n"
		c.input = &text
	case syntax.RdrIn:
		c.input = nil
	case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll, syntax.RdrClob:
		if to, err := s.literal(r.Word); err != nil || to != "/dev/null" {
			s.note("the answer is kept in no file; the log line of the run has what it means")
		}
	}
	return nil
}

// assign reads NAME=value.
func (s *script) assign(list []*syntax.Assign) error {
	for _, a := range list {
		if a.Name == nil || a.Value == nil || a.Append || a.Index != nil {
			continue
		}
		name := a.Name.Value
		value, err := s.literal(a.Value)
		if k, ok := s.marks.sole(value); err != nil || ok && k.variable == "" && k.placeholder == "" {
			value = s.marks.variable(name)
		}
		s.variables[name] = value
	}
	return nil
}

// words expands what a command is called with.
func (s *script) words(list []*syntax.Word) ([]string, error) {
	var words []string
	for _, w := range list {
		text, err := s.literal(w)
		if err != nil {
			return nil, err
		}
		if len(w.Parts) == 1 {
			if _, bare := w.Parts[0].(*syntax.ParamExp); bare {
				if strings.ContainsAny(text, `"'\`) {
					return nil, errors.New("a variable with quotes in it, outside of quotes")
				}
				words = append(words, strings.Fields(text)...)
				continue
			}
		}
		if s.bash && hasBraces(w) {
			return nil, errors.New("braces that the shell expands")
		}
		words = append(words, text)
	}
	return words, nil
}

func hasBraces(w *syntax.Word) bool {
	for _, p := range w.Parts {
		if l, ok := p.(*syntax.Lit); ok && strings.Contains(l.Value, "{") &&
			(strings.Contains(l.Value, ",") || strings.Contains(l.Value, "..")) {
			return true
		}
	}
	return false
}

// literal expands one word without splitting it.
func (s *script) literal(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	var unset []string
	var bad bool
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			return false
		case *syntax.ArithmExp, *syntax.ProcSubst, *syntax.ExtGlob:
			bad = true
		case *syntax.ParamExp:
			name := ""
			if n.Param != nil {
				name = n.Param.Value
			}
			_, known := s.variables[name]
			switch {
			case n.Excl || n.Length || n.Width || n.Index != nil || n.Names != 0 || name == "":
				bad = true
			case known, n.Exp == nil && n.Slice == nil && n.Repl == nil:
			case n.Exp != nil && (n.Exp.Op == syntax.DefaultUnset || n.Exp.Op == syntax.DefaultUnsetOrNull):
				unset = append(unset, name)
			default:
				bad = true
			}
		}
		return true
	})
	if bad {
		return "", errors.New("an expansion of the shell that only the shell can do")
	}
	text, err := expand.Literal(&expand.Config{
		Env:      environment{s, unset},
		CmdSubst: s.substitute,
	}, w)
	if err != nil {
		return "", errors.New("an expansion of the shell that only the shell can do")
	}
	return text, nil
}

// environment has the variables of a script.
type environment struct {
	script *script
	unset  []string
}

func (e environment) Get(name string) expand.Variable {
	if value, ok := e.script.variables[name]; ok {
		return expand.Variable{Set: true, Kind: expand.String, Str: value}
	}
	if name == "IFS" || slices.Contains(e.unset, name) {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: e.script.marks.variable("$" + name)}
}

func (e environment) Each(func(string, expand.Variable) bool) {}

// substitute stands in for the output of a command: of date it is known.
func (s *script) substitute(w io.Writer, c *syntax.CmdSubst) error {
	var text strings.Builder
	_ = syntax.NewPrinter().Print(&text, c) // a Builder accepts everything
	k := mark{reason: "the output of a command, other than a date", command: text.String()}
	if len(c.Stmts) == 1 {
		if call, ok := c.Stmts[0].Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 && call.Args[0].Lit() == "date" {
			if z, arguments, ok := s.dateArguments(call); ok {
				k = dateMark(arguments, z)
			}
		}
	}
	_, err := io.WriteString(w, s.marks.same(k))
	return err
}

func (s *script) dateArguments(call *syntax.CallExpr) (zones, []string, bool) {
	z := s.zones
	for _, a := range call.Assigns {
		value, err := s.literal(a.Value)
		if err != nil || a.Name == nil || a.Name.Value != "TZ" || s.marks.any(value) {
			return z, nil, false
		}
		z.commands = value
	}
	words, err := s.words(call.Args[1:])
	return z, words, err == nil && !slices.ContainsFunc(words, s.marks.any)
}

// quiet are commands that only surround a call.
var quiet = []string{
	"sleep", "true", ":", "cd", "exit", "set", "echo", "printf", "logger", "date", "umask", "ulimit", "source", ".",
	"export", "wait", "unset", "shopt", "trap", "touch", "mkdir",
}

// command reads the words of one command: curl, what only surrounds it, or what runs another command.
func (s *script) command(words []string, c curlCall) error {
	for len(words) > 0 {
		name := path.Base(words[0])
		switch {
		case name == "curl":
			return s.curl(words[1:], c)
		case slices.Contains(quiet, name):
			s.surround(name)
			return nil
		case isAssignment(words[0]):
			n, value, _ := strings.Cut(words[0], "=")
			s.variables[n] = value
			words = words[1:]
		case name == "test" || name == "[":
			return errConditions
		case name == "sh" || name == "bash" || name == "dash" || name == "ash":
			return s.shell(words[1:], c)
		default:
			inner, ok := s.wrapped(name, words[1:], &c)
			if !ok {
				return notCurl(name)
			}
			words = inner
		}
	}
	return errors.New("there is no command")
}

func (s *script) surround(name string) {
	switch name {
	case "sleep":
		s.note("sleep is left out: Window spreads starts")
	case "touch", "mkdir", "logger", "trap":
		s.note(name + " is left out")
	case ".", "source":
		s.note("the file that it reads variables from is not read")
	}
}

func notCurl(name string) error {
	if strings.ContainsFunc(name, isMark) || len(name) > 40 {
		return errors.New("it runs another program: only curl is taken over")
	}
	return fmt.Errorf("it runs %s: only curl is taken over", name)
}

func isAssignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	return ok && isIdentifier(name)
}

func isIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// shell reads sh -c.
func (s *script) shell(words []string, c curlCall) error {
	for i, w := range words {
		if strings.HasPrefix(w, "-") && strings.HasSuffix(w, "c") && !strings.HasPrefix(w, "--") && i+1 < len(words) {
			if s.depth++; s.depth > maxDepth {
				return errors.New("shells within shells")
			}
			input := s.input
			s.input = c.input
			err := s.run(words[i+1])
			s.input = input
			s.depth--
			return err
		}
		if !strings.HasPrefix(w, "-") {
			break
		}
	}
	return errors.New("it runs a script: only curl is taken over")
}

// wrappers are commands that run another command: their options with a value, and how many words follow the options.
var wrappers = map[string]struct {
	valued string
	words  int
}{
	"timeout": {"ks", 1}, "flock": {"wE", 1}, "nice": {"n", 0}, "ionice": {"cnpP", 0}, "nohup": {"", 0},
	"chronic": {"", 0},
	"cronic":  {"", 0}, "setsid": {"", 0}, "stdbuf": {"ioe", 0}, "time": {"fo", 0}, "command": {"", 0}, "exec": {"a", 0},
	"sudo": {"ugpCTrt", 0}, "systemd-cat": {"tp", 0}, "env": {"uSC", 0}, "busybox": {"", 0}, "doas": {"u", 0},
}

// wrapped returns the command that a command runs.
func (s *script) wrapped(name string, words []string, c *curlCall) ([]string, bool) {
	wrapper, ok := wrappers[name]
	if !ok {
		return nil, false
	}
	words, ok = pastOptions(words, wrapper.valued)
	if !ok || len(words) < wrapper.words {
		return nil, false
	}
	switch name {
	case "timeout":
		seconds, ok := seconds(words[0])
		if !ok {
			return nil, false
		}
		c.timeout = seconds
	case "flock":
		s.note("flock is left out: two starts of a job are two runs with keys of their own")
		if rest, inner := flockCommand(words[1:]); inner {
			words = append([]string{""}, rest...)
		}
	case "env":
		for len(words) > 0 && isAssignment(words[0]) {
			n, value, _ := strings.Cut(words[0], "=")
			s.variables[n] = value
			words = words[1:]
		}
	}
	return words[wrapper.words:], true
}

// flockCommand reads flock FILE -c 'command'.
func flockCommand(words []string) ([]string, bool) {
	if len(words) == 2 && (words[0] == "-c" || words[0] == "--command") {
		return []string{"sh", "-c", words[1]}, true
	}
	return nil, false
}

// pastOptions skips options. valued are the letters of those that take a value.
func pastOptions(words []string, valued string) ([]string, bool) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") && words[0] != "-" {
		option := words[0]
		words = words[1:]
		if option == "--" {
			break
		}
		letter := option[len(option)-1:]
		if !strings.HasPrefix(option, "--") && len(option) == 2 && strings.Contains(valued, letter) {
			if len(words) == 0 {
				return nil, false
			}
			words = words[1:]
		}
	}
	return words, true
}
