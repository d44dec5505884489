// Command templatecheck is `make validate`: it lists what is wrong with a template, one line a mistake with its place, and
// ends with 1 if there is a mistake. Warnings and notes change nothing.
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
	flag.BoolVar(&o.Deploy, "deploy", false, "also reject hosts that are only examples, and require AllowedHosts")
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
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	file := flag.Arg(0)
	data, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "templatecheck:", err)
		os.Exit(2)
	}
	mistakes := 0
	for _, p := range check.Template(data, o) {
		if p.Severity == check.Mistake {
			mistakes++
		}
		fmt.Fprintln(os.Stderr, p.In(file))
	}
	if *sameAs != "" {
		for _, difference := range check.Same(file, *sameAs, o.Stack) {
			mistakes++
			fmt.Fprintln(os.Stderr, difference)
		}
	}
	if mistakes > 0 {
		os.Exit(1)
	}
	fmt.Println(file + ": no mistakes")
}
