// Command replay counts what a person is told: two days of a dead token by the real binary, a year of two hundred jobs,
// and silences of every kind, all on the local cloud's model of CloudWatch, SNS and EventBridge. It ends with 1 if a
// count is not what it must be. With -messages it writes the mails of every alarm instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cronbearer/cronbearer/infra/replay/scenes"
	"github.com/cronbearer/cronbearer/infra/replay/year"
	"github.com/cronbearer/cronbearer/infra/shipped"
)

func main() {
	binaries := flag.String("binaries", filepath.Join(".build", "native"), "directory of caller and rotator, as `make native` builds them")
	messages := flag.Bool("messages", false, "write docs/messages.md to standard output, and nothing else")
	seed := flag.Uint64("seed", 1, "of everything that is left to chance")
	jobs := flag.Int("jobs", 200, "of the year")
	days := flag.Int("days", 366, "of the year")
	flag.Parse()
	m := scenes.Machine{Root: ".", Binaries: map[string]string{
		"Caller": absolute(filepath.Join(*binaries, "caller")), "Rotator": absolute(filepath.Join(*binaries, "rotator")),
	}}
	err := check(m)
	switch {
	case err != nil:
	case *messages:
		err = write(os.Stdout, m)
	default:
		err = replay(os.Stdout, m, year.Options{Template: shipped.Path, Jobs: *jobs, Days: *days, Seed: *seed})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func check(m scenes.Machine) error {
	for _, needed := range []string{shipped.Path, m.Binaries["Caller"], m.Binaries["Rotator"]} {
		if _, err := os.Stat(needed); err != nil {
			return fmt.Errorf("%s is not there: run `make replay` at the top of the repository", needed)
		}
	}
	return nil
}

func write(out io.Writer, m scenes.Machine) error {
	page, err := m.Messages(context.Background())
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, page)
	return err
}

func replay(out io.Writer, m scenes.Machine, o year.Options) error {
	ctx := context.Background()
	fmt.Fprintln(out, "A model, not AWS: the counts are those of its documented rules.")
	fmt.Fprintln(out, "\nOne dead token on ten hourly jobs; each run is one of the real binary:")
	parts, err := m.FortyEightHours(ctx, o.Seed)
	for _, part := range parts {
		fmt.Fprintln(out, "  "+part.String())
	}
	if err != nil {
		return err
	}
	if err := scenes.CheckHours(parts); err != nil {
		return err
	}

	fmt.Fprintln(out, "\nTroubles that nobody mends for a day, on two hourly jobs; each run is one of the real binary:")
	for _, trouble := range scenes.Troubles() {
		day, err := m.Day(ctx, trouble)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "  "+day.String())
	}

	fmt.Fprintln(out, "\nSilences of thirty days. What the alarm tells its topic, and what reaches a person by mail:")
	silences, err := year.Silences(ctx, o.Template)
	if err != nil {
		return err
	}
	for _, s := range silences {
		fmt.Fprintln(out, "  "+s.String())
	}

	fmt.Fprintf(out, "\n%d jobs for %d days. Not the binary, which would take days: outcomes drawn by chance go through the\nreal metric.Publisher and metric.Reminder to the model's alarms, topic, filter and rules:\n", o.Jobs, o.Days)
	counts, err := year.Replay(ctx, o)
	fmt.Fprintln(out, counts.String())
	return err
}
