// Command draw draws the dashboard of infra/dashboard.yaml, from its own JSON and its own queries, over a week that is
// made up. It is no screenshot: colours and lines are CloudWatch's, as near as a drawing of a few hundred lines gets.
//
//	go run ./infra/dashboard/draw > docs/dashboard.svg
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cronbearer/cronbearer/infra/cfn"
	"github.com/cronbearer/cronbearer/infra/dashboard"
)

func main() {
	picture, err := draw(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
	fmt.Print(picture)
}

// draw makes the picture from the templates in the repository at root.
func draw(root string) (string, error) {
	application, err := cfn.Load(filepath.Join(root, "template.yaml"), cfn.Options{Parameters: map[string]string{"AllowedHosts": "api.example.com"}})
	if err != nil {
		return "", fmt.Errorf("application: %w", err)
	}
	stack, body, err := dashboard.Load(filepath.Join(root, "infra", "dashboard.yaml"), application, map[string]string{"AlarmArns": strings.Join(alarms(application), ",")})
	if err != nil {
		return "", err
	}
	w := simulate(names{
		namespace: stack.Values["MetricNamespace"], function: stack.Values["CallerName"], group: stack.Values["ScheduleGroup"],
		failedRuns: lastOf(stack.Values["FailedRunsUrl"]), deadLetters: lastOf(stack.Values["DeadLettersUrl"]),
	})
	c := &canvas{}
	for _, box := range body.Widgets {
		if err := c.widget(w, box, body.Range()); err != nil {
			return "", fmt.Errorf("widget %q: %w", box.Properties.Title, err)
		}
	}
	return c.svg(body), nil
}

// alarms are the ARNs of the template's alarms, with the simulated tokens and jobs in place of the shipped ones.
func alarms(application *cfn.Stack) []string {
	names := []string{"FailedRuns", "DeadLetters", "StartsDropped", "Throttled", "RecordsLost", "RotationFailed"}
	for _, t := range tokens {
		names = append(names, "TokenRejected-"+t.name, "TokenExpiring-"+t.name)
	}
	for _, j := range jobs {
		names = append(names, "Silent-"+j.name)
	}
	for i, name := range names {
		names[i] = strings.Join([]string{"arn", application.Partition, "cloudwatch", application.Region, application.AccountID, "alarm", application.StackName + "-" + name}, ":")
	}
	return names
}

func lastOf(url string) string { return url[strings.LastIndex(url, "/")+1:] }
