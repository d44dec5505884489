package lint_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/internal/dev/lint"
)

// samReads is SAM CLI's own reader of templates: a line of JSON for each template, its error or null.
const samReads = `
import json, sys
from samcli.yamlhelper import yaml_parse
for line in sys.stdin:
    try:
        yaml_parse(json.loads(line))
        print("null", flush=True)
    except Exception as error:
        print(json.dumps(str(error)), flush=True)
`

// TestSAMReadsWhatIsAccepted damages the rows at random: what has no mistake for us is YAML for SAM CLI as well, whose
// parser (PyYAML) is another one and stricter. make check runs it, with SAM CLI's Python in SAM_PYTHON.
func TestSAMReadsWhatIsAccepted(t *testing.T) {
	t.Parallel()
	python := os.Getenv("SAM_PYTHON")
	if python == "" {
		t.Skip("needs SAM CLI: SAM_PYTHON=.tools/venv/bin/python")
	}
	command := exec.CommandContext(t.Context(), python, "-c", samReads)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	answers, questions := bufio.NewReader(out), json.NewEncoder(in)
	template := small()
	rows := strings.Index(template, "\n  Windows:")
	random := rand.New(rand.NewPCG(1, 1))
	accepted := 0
	const damaged = 400
	for range damaged {
		data := damage(random, template, rows)
		if slices.ContainsFunc(lint.Template([]byte(data), lint.Options{Now: now}), func(p lint.Problem) bool {
			return p.Severity == lint.Mistake
		}) {
			continue
		}
		accepted++
		if err := questions.Encode(data); err != nil {
			t.Fatal(err)
		}
		if answer, err := answers.ReadString('\n'); err != nil || strings.TrimSpace(answer) != "null" {
			t.Errorf("%v: SAM CLI: %s\n%s", err, answer, data[:rows])
		}
	}
	if accepted < damaged/20 {
		t.Errorf("only %d of %d had no mistake: that shows nothing", accepted, damaged)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// damage puts something that YAML reads in another way into the rows.
func damage(random *rand.Rand, template string, rows int) string {
	signs := []string{
		"\t", " \t", "'", `"`, ":", ": ", " #", "#", "?", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "!", "!x ", "|", ">",
		"%", "@", "`", `\`, "\r", "\n", "  ", " ", "\u0085", "\u00a0", "\u2028", "\ufeff", "é", "😀", "---", "0", "=", "~",
		"yes", "$",
	}
	at := random.IntN(rows)
	return fmt.Sprint(template[:at], signs[random.IntN(len(signs))], template[at+random.IntN(3):])
}
