package awssim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

// What the authorization server knows. None of it opens anything.
const (
	issuer       = "id.example.com"
	clientID     = "cronbearer"
	clientSecret = "fake-client-secret-of-the-tests"

	rotationFailed = "RotationFailed-" + secret
)

// renewal is a cloud whose token is renewed by the real rotator, with infra/rotation.yaml deployed.
type renewal struct {
	*awssim.Cloud

	t    *testing.T
	auth *idp.Server
	api  *upstream.Server

	broken atomic.Bool // the API
}

func startRenewal(t *testing.T, o awssim.Options) *renewal {
	t.Helper()
	o.Binaries = awssimtest.Binaries(t)
	r := &renewal{Cloud: awssimtest.Start(t, o), t: t}
	r.auth = idp.New(r.Now)
	must(
		t,
		r.auth.Register(
			idp.Client{ID: clientID, Auth: idp.AuthBasic, Secret: clientSecret, Grants: []idp.Grant{idp.RefreshToken}},
		),
	)
	must(t, r.Host(issuer, r.auth))
	r.api = r.Target(host)
	r.api.Rule(func(q upstream.Request) (upstream.Answer, bool) {
		switch {
		case !r.auth.Valid(q.Token):
			return upstream.Rejected, true
		case r.broken.Load():
			return upstream.Broken, true
		}
		return upstream.OK, true
	})
	r.logIn(nil)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logIn is what a user does: a new family of tokens, stored as a whole secret.
func (r *renewal) logIn(more map[string]any) {
	r.t.Helper()
	tokens, err := r.auth.LogIn(clientID, "")
	must(r.t, err)
	value := map[string]any{
		"token": tokens.Access, "expires_at": tokens.Expires.Format(time.RFC3339), "hosts": []string{host},
		"test": "GET https://" + host + "/v1/me",
		"oauth2": map[string]any{
			"grant": "refresh_token", "token_url": "https://" + issuer + idp.TokenPath, "client_id": clientID,
			"client_secret": clientSecret, "refresh_token": tokens.Refresh,
		},
	}
	maps.Copy(value, more)
	text, err := json.Marshal(value)
	must(r.t, err)
	_, err = r.PutSecret(secret, string(text))
	must(r.t, err)
}

// deploy is the one command that the README shows.
func (r *renewal) deploy() {
	r.t.Helper()
	_, err := r.AddRotation(filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), secret, "rate(30 minutes)")
	must(r.t, err)
}

func (r *renewal) pass(d time.Duration) {
	r.t.Helper()
	must(r.t, r.Advance(r.t.Context(), d))
}

func (r *renewal) states(names ...string) map[string]alarm.State {
	all := map[string]alarm.State{}
	for _, name := range names {
		all[name] = r.AlarmState(name)
	}
	return all
}

// rotator are the rotator's runs, each as the line of its step says: "createSecret renewed".
func (r *renewal) rotator() []string {
	var steps []string
	for _, run := range r.Runs() {
		if run.Function != "Rotator" {
			continue
		}
		if l := line(run, "rotation step"); l != nil {
			steps = append(steps, fmt.Sprint(l["step"], " ", l["outcome"]))
		}
	}
	return steps
}

// refreshToken is the one that is stored.
func (r *renewal) refreshToken(stage string) string {
	r.t.Helper()
	text, ok := r.Secrets.Value(r.SecretID(secret), stage)
	var value struct {
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	if !ok || json.Unmarshal([]byte(text), &value) != nil {
		r.t.Fatalf("%s has no value", stage)
	}
	return value.OAuth2.RefreshToken
}

var allSteps = []string{
	"createSecret renewed", "setSecret nothing_to_set", "testSecret accepted", "finishSecret finished",
}

// TestRenewalOnSchedule: the universal target starts a rotation at the times of its expression, the real rotator runs
// it with the rights of its role, and no run of a job fails for it.
func TestRenewalOnSchedule(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{})
	r.deploy()
	r.pass(6*time.Hour - time.Second)
	var times []string
	for _, rotation := range r.Secrets.Rotations() {
		if rotation.Err != nil {
			t.Errorf("%s: %v", rotation.At, rotation.Err)
		}
		times = append(times, rotation.At.Format("15:04"))
	}
	if want := []string{
		"08:00", "08:30", "09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "12:00", "12:30", "13:00", "13:30",
	}; !slices.Equal(want, times) {
		t.Errorf("rotations at %v", times)
	}
	if diff := cmp.Diff(slices.Repeat(allSteps, 12), r.rotator()); diff != "" {
		t.Errorf("steps (-want +got)\n%s", diff)
	}
	if n := r.auth.Count(idp.RefreshToken); n != (idp.Count{Requests: 12, Granted: 12}) {
		t.Errorf("exchanges: %+v", n)
	}
	for _, run := range r.Runs() {
		if run.Failed {
			t.Errorf("%s failed: %s", run.Function, run.Message)
		}
	}
	for _, call := range r.SecretsAPI.Calls("") {
		// AWSPENDING has no value before it is renewed
		if call.Rejected != "" && call.Rejected != "ResourceNotFoundException" {
			t.Errorf("rejected: %+v", call)
		}
	}
	found, _ := r.Secrets.Secret(r.SecretID(secret))
	for _, v := range found.Versions {
		for _, label := range v.Stages {
			if strings.HasPrefix(label, "cronbearer-") {
				t.Errorf("label %s is left", label)
			}
		}
	}
	if got := r.states(rotationFailed, "DeadLetters"); got[rotationFailed] != alarm.OK ||
		got["DeadLetters"] == alarm.InAlarm {
		t.Errorf("alarms: %v", got)
	}
}

// TestRotatorMayDoNoMore: a rotator that is not the one in the secret may not even read it.
func TestRotatorMayDoNoMore(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true})
	found, _ := r.Secrets.Secret(r.SecretID(secret))
	event := fmt.Sprintf(`{"Step":"createSecret","SecretId":%q,"ClientRequestToken":%q}`, found.ARN, found.Versions[0].ID)
	run, err := r.Invoke(t.Context(), "Rotator", []byte(event))
	must(t, err)
	if !run.Failed || !strings.Contains(run.Message, "AccessDeniedException") {
		t.Errorf("it ended with %s: %s", run.ErrorType, run.Message)
	}
	r.deploy()
	if run, err = r.Invoke(t.Context(), "Rotator", []byte(event)); err != nil || run.Failed {
		t.Errorf("the version that is current: %v %s", err, run.Message)
	}
	if n := r.auth.Count(""); n.Requests != 0 {
		t.Errorf("exchanges: %+v", n)
	}
}

// TestRevokedRefreshToken: the alarm fires within a minute and says why; the next start is rejected, which fires the
// other alarm; an operator re-authorizes, stores the secret, starts the rotation, and all is well.
func TestRevokedRefreshToken(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{})
	r.deploy()
	r.pass(2*time.Hour + 10*time.Minute)
	r.auth.Revoke(r.refreshToken("AWSCURRENT"))
	r.pass(22 * time.Minute) // 10:30, and a period of the alarm
	if got := r.states(rotationFailed, "DeadLetters"); got[rotationFailed] != alarm.InAlarm ||
		got["DeadLetters"] == alarm.InAlarm {
		t.Errorf("after the rotation that failed: %v", got)
	}
	emails := r.Emails(r.Stack.StackName + "-" + rotationFailed)
	if len(emails) != 1 || !strings.Contains(emails[0].Body, "ReauthorizationRequired") {
		t.Fatalf("emails: %+v", emails)
	}
	steps := r.rotator()
	if last := steps[len(steps)-1]; last != "createSecret reauthorization_required" {
		t.Errorf("the last step: %s", last)
	}
	before := r.auth.Count(idp.RefreshToken)
	if before.Rejected != 1 {
		t.Errorf("a dead refresh token was posted more than once: %+v", before)
	}

	r.pass(40 * time.Minute) // 11:00: rejected three times over, then kept
	if got := r.states(rotationFailed, "DeadLetters"); got[rotationFailed] != alarm.InAlarm ||
		got["DeadLetters"] != alarm.InAlarm {
		t.Errorf("after the start that was rejected: %v", got)
	}
	kept := r.Queue("DeadLetters").Messages()
	if len(kept) != 1 || !strings.Contains(kept[0].Attributes["ERROR_MESSAGE"], "previous rotation") ||
		!strings.Contains(kept[0].Attributes["TARGET_ARN"], "rotateSecret") {
		t.Fatalf("dead letters: %+v", kept)
	}

	r.logIn(nil)
	if err := r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)); err == nil { // rejected, and run again anyway
		t.Error("AWSPENDING was not left behind")
	}
	r.Queue("DeadLetters").Purge()
	r.pass(2 * time.Hour)
	if got := r.states(rotationFailed, "DeadLetters"); got[rotationFailed] != alarm.OK || got["DeadLetters"] != alarm.OK {
		t.Errorf("at the end: %v", got)
	}
	if n := len(r.Emails(r.Stack.StackName + "-" + rotationFailed)); n != 2 {
		t.Errorf("%d emails about the rotation", n)
	}
	if !r.auth.StillGood(r.refreshToken("AWSCURRENT")) {
		t.Error("the refresh token that is stored is dead")
	}
}

// TestRenewalRecoversFromATransientError: the rotation that was left incomplete is run again by the next start, without
// help.
func TestRenewalRecoversFromATransientError(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*renewal)
		fix   func(*renewal)
	}{
		"the provider is down": {
			spoil: func(r *renewal) { must(r.t, r.auth.Fail(idp.Failing(503, ""))) },
			fix:   func(r *renewal) { r.auth.Heal() },
		},
		"the test call fails": {
			spoil: func(r *renewal) { r.broken.Store(true) },
			fix:   func(r *renewal) { r.broken.Store(false) },
		},
		"labels cannot be written": {
			spoil: func(r *renewal) { r.SecretsAPI.Faults.Set("UpdateSecretVersionStage", "", api.Unavailable) },
			fix:   func(r *renewal) { r.SecretsAPI.Faults.Clear() },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRenewal(t, awssim.Options{NoStarts: true, Deadline: 8 * time.Second})
			r.deploy()
			c.spoil(r)
			must(t, r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)))
			r.pass(2 * time.Minute)
			if got := r.AlarmState(rotationFailed); got != alarm.InAlarm {
				t.Errorf("the alarm is %s\n%v", got, r.rotator())
			}
			c.fix(r)
			_ = r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)) // rejected, and run again
			r.pass(2 * time.Minute)
			if got := r.AlarmState(rotationFailed); got != alarm.OK {
				t.Errorf("fixed, the alarm is %s\n%v", got, r.rotator())
			}
			if err := r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)); err != nil ||
				!r.auth.StillGood(r.refreshToken("AWSCURRENT")) {
				t.Errorf("the next: %v", err)
			}
			if n := r.auth.Count(idp.RefreshToken); n.Reused != 0 {
				t.Errorf("a refresh token was used twice: %+v", n)
			}
		})
	}
}
