package awssim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

// TestTwoSecretsOneDead: for a week, two secrets are renewed every 30 minutes, and the refresh token of one is dead.
// Every email is the dead one's: one that its rotation failed, and one that its next start was rejected. Its refresh
// token is posted once a day, and each rotation of the other one is finished. One alarm over both would send 96 emails
// a day.
func TestTwoSecretsOneDead(t *testing.T) {
	t.Parallel()
	days := 7
	if testing.Short() || awssimtest.RaceEnabled {
		days = 1
	}
	r := startRenewal(t, awssim.Options{Template: warnsLate(t)})
	const dead = "dead-api"
	tokens, err := r.auth.LogIn(clientID, "")
	must(t, err)
	value, err := json.Marshal(map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339), "hosts": []string{host},
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuer + idp.TokenPath, "client_id": clientID,
			"client_secret": clientSecret, "refresh_token": tokens.Refresh,
		},
	})
	must(t, err)
	_, err = r.PutSecret(dead, string(value))
	must(t, err)
	r.auth.Revoke(tokens.Refresh)
	r.deploy()
	_, err = r.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), dead, "rate(30 minutes)")
	must(t, err)

	r.pass(time.Duration(days)*24*time.Hour - time.Minute)
	emails := map[string]int{}
	for _, email := range r.Emails("") {
		emails[strings.TrimPrefix(email.Alarm, r.Stack.StackName+"-")]++
	}
	if emails["RotationFailed-"+dead] != 1 || emails["DeadLetters"] != 1 || len(emails) != 2 {
		t.Errorf("emails: %v", emails)
	}
	if got := r.states(rotationFailed, "RotationFailed-"+dead); got[rotationFailed] != alarm.OK ||
		got["RotationFailed-"+dead] != alarm.InAlarm {
		t.Errorf("alarms: %v", got)
	}
	finished, failed := 0, 0
	for _, rotation := range r.Secrets.Rotations() {
		switch {
		case rotation.Secret == r.SecretID(dead):
			failed++
		case rotation.Err == nil:
			finished++
		default:
			t.Errorf("%s: %v", rotation.At, rotation.Err)
		}
	}
	n := r.auth.Count(idp.RefreshToken)
	if finished != days*48 || n.Granted != finished || n.Rejected != days || n.Reused != 0 {
		t.Errorf("%d rotations finished in %d days; requests: %+v", finished, days, n)
	}
	t.Logf("%d days: %d rotations of the living secret finished, %d attempts of the dead one, whose refresh token was "+
		"posted %d times; emails: %v",
		days, finished, failed, n.Rejected, emails)
}

// warnsLate is the shipped template for a token of an hour, which warns when renewal has stopped.
func warnsLate(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(awssimtest.Template())
	must(t, err)
	text := strings.Replace(string(data), "WarnDays: 14 }", "WarnDays: 0.01 }", 1)
	if text == string(data) {
		t.Fatal("the shipped template has no WarnDays: 14 }")
	}
	path := filepath.Join(t.TempDir(), "template.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
