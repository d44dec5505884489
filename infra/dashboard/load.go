package dashboard

import (
	"fmt"
	"maps"

	"github.com/cronbearer/cronbearer/infra/cfn"
)

// Outputs are the application's outputs that the dashboard's stack takes as parameters of the same names.
var Outputs = []string{"CallerName", "CallerLogs", "RotatorLogs", "ScheduleGroup", "FailedRunsUrl", "DeadLettersUrl"}

// Load resolves infra/dashboard.yaml, at path, for an application's stack, with more parameters if there are any.
func Load(path string, application *cfn.Stack, more map[string]string) (*cfn.Stack, Body, error) {
	parameters := map[string]string{"StackName": application.StackName, "MetricNamespace": application.Values["MetricNamespace"]}
	for _, name := range Outputs {
		parameters[name] = fmt.Sprint(application.Outputs[name])
	}
	maps.Copy(parameters, more)
	stack, err := cfn.Load(path, cfn.Options{
		StackName: application.StackName + "-dashboard", Region: application.Region, AccountID: application.AccountID,
		Partition: application.Partition, Parameters: parameters,
	})
	if err != nil {
		return nil, Body{}, fmt.Errorf("dashboard's stack: %w", err)
	}
	text, _ := stack.Resources["Dashboard"].Properties["DashboardBody"].(string)
	body, err := Parse(text)
	return stack, body, err
}
