// Command templatecheck lists what is wrong with a template, and ends with 1 if anything is.
//
//	go run ./infra/templatecheck [-deploy] [-stack name] [-parameter Name=value]… [-same-as expanded.json] template.yaml
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/infra/check"
)

func main() {
	o := check.Options{Now: time.Now(), Stack: cfn.Options{Parameters: map[string]string{}}}
	flag.BoolVar(&o.Deploy, "deploy", false, "also refuse hosts that are only examples, and want every parameter that has no default")
	flag.StringVar(&o.Stack.StackName, "stack", "cronbearer", "name of the stack")
	flag.Func("parameter", "a parameter as `Name=value`; may be given more than once", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("must be Name=value")
		}
		o.Stack.Parameters[name] = value
		return nil
	})
	sameAs := flag.String("same-as", "", "also compare with this `file`, the template as sam_expand.py expands it")
	flag.Parse()
	data, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "templatecheck:", err)
		os.Exit(2)
	}
	problems := check.Template(data, o)
	if *sameAs != "" {
		problems = append(problems, check.Same(flag.Arg(0), *sameAs, o.Stack)...)
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}
