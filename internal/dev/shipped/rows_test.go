package shipped_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/cfn"
	"github.com/cronbearer/cronbearer/internal/job"
)

// input is the event of a job, which the caller must accept.
func input(t *testing.T, s *cfn.Stack, name string) map[string]any {
	t.Helper()
	text, _ := get(s.Resources["Job"+name].Properties, "Target", "Input").(string)
	if _, err := job.Parse([]byte(text), job.Options{}); err != nil {
		t.Fatalf("the caller would not accept %s: %v", text, err)
	}
	var event map[string]any
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatal(err)
	}
	return event
}

// TestKeysOfATokenReachItsJobs: Key and Reject are written once, at the token; a job's own Reject takes its place.
func TestKeysOfATokenReachItsJobs(t *testing.T) {
	t.Parallel()
	s, err := cfn.Parse(mistaken(t, template(t),
		edit{
			text: tokenRow,
			instead: `ExampleApi: { Secret: example-api, Key: /data/token, Note: "Payments: renew in their portal", Reject: ` +
				`'{"status":[403]}' }`,
		},
		edit{
			text: "SilentAfter: 75\n",
			instead: "SilentAfter: 75\n      Reject: '{\"json\":{\"/error\":\"token_expired\"}}'\n      Note: Ask finance " +
				"before you resend\n",
		},
	), defaults())
	if err != nil {
		t.Fatal(err)
	}
	daily, hourly := input(t, s, "DailyReport"), input(t, s, "HourlySync")
	want := map[string]any{"secretKey": "/data/token", "reject": map[string]any{"status": []any{403.0}}, "timezone": "UTC"}
	got := map[string]any{"secretKey": hourly["secretKey"], "reject": hourly["reject"], "timezone": hourly["timezone"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HourlySync: %s", diff)
	}
	want = map[string]any{
		"secretKey": "/data/token", "reject": map[string]any{"json": map[string]any{"/error": "token_expired"}},
		"timezone": "Europe/London",
	}
	got = map[string]any{"secretKey": daily["secretKey"], "reject": daily["reject"], "timezone": daily["timezone"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DailyReport: %s", diff)
	}
	for id, note := range map[string]string{
		"TokenRejectedExampleApi": "Payments: renew in their portal",
		"TokenExpiringExampleApi": "Payments: renew in their portal",
		"SilentDailyReport":       "Ask finance before you resend",
	} {
		if text := fmt.Sprint(s.Resources[id].Properties["AlarmDescription"]); !strings.Contains(text, "\n"+note+"\n") {
			t.Errorf("%s does not hold the note on a line of its own: %s", id, text)
		}
	}
}

// TestDisabledJobNotifiesNoOne, and any other job does.
func TestDisabledJobNotifiesNoOne(t *testing.T) {
	t.Parallel()
	s, err := cfn.Parse(
		mistaken(t, template(t), edit{text: "SilentAfter: 75\n", instead: "SilentAfter: 75\n      State: DISABLED\n"}),
		defaults(),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"DailyReport": "DISABLED false", "HourlySync": "ENABLED true"} {
		got := fmt.Sprintf("%v %v", s.Resources["Job"+name].Properties["State"], s.Resources["Silent"+
			name].Properties["ActionsEnabled"])
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestOptionsReachTheRoles: the boundary bounds every role, and audiences add one narrow statement to the caller's.
func TestOptionsReachTheRoles(t *testing.T) {
	t.Parallel()
	with, without := resolve(t, everything()), resolve(t, defaults())
	for _, r := range with.OfType("AWS::IAM::Role") {
		if got := r.Properties["PermissionsBoundary"]; got != with.Values["PermissionsBoundary"] {
			t.Errorf("%s has the boundary %v", r.LogicalID, got)
		}
		if got := without.Resources[r.LogicalID].Properties["PermissionsBoundary"]; got != nil {
			t.Errorf("%s has the boundary %v without the parameter", r.LogicalID, got)
		}
	}
	// A function without a Role of ours would get one from SAM, without the boundary.
	for _, r := range with.OfType("AWS::Serverless::Function") {
		if r.Properties["Role"] == nil {
			t.Errorf("SAM would make a role for %s", r.LogicalID)
		}
	}
	identity := func(s *cfn.Stack) (found []any) {
		for _, p := range list(s.Resources["CallerRole"].Properties["Policies"]) {
			for _, st := range list(get(p, "PolicyDocument", "Statement")) {
				if strings.HasPrefix(fmt.Sprint(get(st, "Action")), "sts:") {
					found = append(found, get(st, "Condition"))
				}
			}
		}
		return found
	}
	if got := identity(without); got != nil {
		t.Errorf("without audiences the caller has %v", got)
	}
	want := []any{map[string]any{
		"Null": map[string]any{"sts:IdentityTokenAudience": "false"},
		"ForAllValues:StringEquals": map[string]any{
			"sts:IdentityTokenAudience": []any{"api://AzureADTokenExchange", "https://api.example.com"},
		},
		"NumericLessThanEquals": map[string]any{"sts:DurationSeconds": "3600"},
	}}
	if diff := cmp.Diff(want, identity(with)); diff != "" {
		t.Error(diff)
	}
}

// TestIdentityIsForItsAudiencesOnly evaluates the caller's role as IAM does.
func TestIdentityIsForItsAudiencesOnly(t *testing.T) {
	t.Parallel()
	policies := func(o cfn.Options) any { return resolve(t, o).Resources["CallerRole"].Properties["Policies"] }
	role, err := iam.Parse(policies(everything()))
	if err != nil {
		t.Fatal(err)
	}
	none, err := iam.Parse(policies(defaults()))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		audience, seconds string
		want              bool
	}{
		"one of them":        {audience: "api://AzureADTokenExchange", seconds: "300", want: true},
		"both, for an hour":  {audience: "api://AzureADTokenExchange,https://api.example.com", seconds: "3600", want: true},
		"another":            {audience: "https://evil.example.com", seconds: "300", want: false},
		"one and another":    {audience: "https://api.example.com,https://evil.example.com", seconds: "300", want: false},
		"none":               {audience: "", seconds: "300", want: false},
		"for too long":       {audience: "https://api.example.com", seconds: "3601", want: false},
		"one in other cases": {audience: "https://API.example.com", seconds: "300", want: false},
	} {
		request := iam.Context{"sts:durationseconds": {c.seconds}}
		if c.audience != "" {
			request["sts:identitytokenaudience"] = strings.Split(c.audience, ",")
		}
		if got := role.Allows("sts:GetWebIdentityToken", "*", request); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		if none.Allows("sts:GetWebIdentityToken", "*", request) {
			t.Errorf("%s: allowed without IdentityAudiences", name)
		}
	}
}
