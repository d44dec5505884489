// Command judged prints what programs that others wrote judge (judge.py): policies, schedules and metrics in the log.
// One JSON document a line:
//
//	go run ./internal/dev/check/judged policies    each IAM policy of the templates, resolved with every option
//	go run ./internal/dev/check/judged schedules   thousands of cron expressions, each with the next starts
//	go run ./internal/dev/check/judged embedded    the line of a metric that CloudWatch did not take
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

var subjects = map[string]func(emit func(any) error) error{
	"policies": policies, "schedules": schedules, "embedded": embedded,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judged:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 || subjects[args[0]] == nil {
		return errors.New("usage: judged policies | schedules | embedded")
	}
	return subjects[args[0]](func(v any) error {
		if raw, ok := v.([]byte); ok {
			_, err := os.Stdout.Write(raw)
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(v)
	})
}
