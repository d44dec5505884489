// Command figures runs what tries to break the application (the fuzz tests, the fault suite, the soak and the replayed
// year) and writes what it counted to docs/robustness.md and to the line of README.md that quotes it, with the date,
// the machine and the commit. No number is written by hand: each comes from a line "figures: <name> <number>" that a
// test or a script printed. It measures no time (command bench does).
//
//	go run ./internal/dev/figures                    # make figures
//	go run ./internal/dev/figures fuzz.txt soak.txt  # of what was printed before, each figure that is not there anew
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/markdown"
)

func main() {
	fuzz := flag.String("fuzz", "30s", "the time for each fuzz test")
	flag.Parse()
	if err := run(*fuzz, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// A figure is a number that was counted.
type figure struct {
	name   string
	number int
}

// suite is a command that prints figures, and the first that it prints.
type suite struct {
	prints  string
	command []string
}

func suites(fuzz string) []suite {
	return []suite{
		{"fuzz tests", []string{"sh", "internal/dev/check/fuzz.sh", fuzz}},
		{"faults tried", []string{"make", "faults"}},
		{"runs under random faults", []string{"make", "soak"}},
	}
}

func run(fuzz string, logs []string) error {
	var found []figure
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found = append(found, read(string(text))...)
	}
	for _, s := range suites(fuzz) {
		if has(found, s.prints) {
			continue
		}
		printed, err := s.run()
		if err != nil {
			return err
		}
		found = append(found, printed...)
	}
	commit, err := exec.CommandContext(context.Background(), "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return fmt.Errorf("git: %w", err)
	}
	at := strings.TrimSpace(string(commit))
	if len(logs) > 0 {
		at += " and those before it"
	}
	where := fmt.Sprintf("%s, commit %s, %s on %s/%s, %d cores", time.Now().UTC().Format(time.DateOnly),
		at, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := write("docs/robustness.md", table(found, where)); err != nil {
		return err
	}
	fmt.Print(table(found, where))
	return write("README.md", sentence(found))
}

// run shows what the command prints, and returns the figures in it.
func (s suite) run() ([]figure, error) {
	command := exec.CommandContext(context.Background(), s.command[0], s.command[1:]...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(s.command, " "), err)
	}
	var text strings.Builder
	lines := bufio.NewReader(io.TeeReader(output, &text))
	for line, err := lines.ReadString('\n'); err == nil; line, err = lines.ReadString('\n') {
		fmt.Fprint(os.Stderr, line)
	}
	if err := command.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(s.command, " "), err)
	}
	return read(text.String()), nil
}

var printed = regexp.MustCompile(`(?m)\bfigures: (.+) (\d+)$`)

// read returns the figures that a text prints. Of one that is printed twice the last counts.
func read(text string) (list []figure) {
	for _, match := range printed.FindAllStringSubmatch(text, -1) {
		number, err := strconv.Atoi(match[2])
		if err != nil {
			continue // more digits than a number has
		}
		list = slices.DeleteFunc(list, func(f figure) bool { return f.name == match[1] })
		list = append(list, figure{match[1], number})
	}
	return list
}

func has(list []figure, name string) bool {
	return slices.ContainsFunc(list, func(f figure) bool { return f.name == name })
}

// table is the section of docs/robustness.md.
func table(list []figure, where string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Counted on %s.\n\n| figure | number |\n| --- | ---: |\n", where)
	for _, f := range list {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, grouped(f.number))
	}
	return b.String()
}

// sentence is the section of README.md. A name may be replaced by a sum.
func sentence(list []figure) string {
	sum := func(names ...string) string {
		n := 0
		for _, f := range list {
			if slices.Contains(names, f.name) {
				n += f.number
			}
		}
		return grouped(n)
	}
	return fmt.Sprintf("%s fuzzed inputs, %s faults, %s runs under faults and a replayed year of %s jobs with %s runs:\n"+
		"%s bytes of tokens leaked, %s runs lost, %s rejections missed ([Robustness](docs/robustness.md)).",
		sum("inputs fuzzed"), sum("faults tried", "faults injected"), sum("runs under faults", "runs under random faults"),
		sum("jobs replayed"), sum("runs due in the replay"),
		sum("bytes leaked under faults", "bytes of tokens leaked in the soak"),
		sum("runs lost to faults", "starts not accounted for", "runs lost in the replay"),
		sum("rejections missed in the replay"))
}

// grouped writes a number with commas.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func write(page, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	changed, err := markdown.SectionBy("make figures", string(old), "figures", text)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(changed), 0o600)
}
