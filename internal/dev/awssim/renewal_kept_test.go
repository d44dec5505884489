package awssim_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
)

// The rotator as it is deployed, with the rights of its role, where answers are odd, operators edit, and tests fail.

func (r *renewal) rotate() error {
	r.t.Helper()
	before := len(r.Secrets.Rotations())
	_ = r.Secrets.RotateSecret(r.t.Context(), r.SecretID(secret)) // rejected while one is under way, which is run again
	all := r.Secrets.Rotations()
	if len(all) == before {
		r.t.Fatal("no rotation was run")
	}
	r.pass(2 * time.Minute)
	return all[len(all)-1].Err
}

// ours are the rotator's labels that are left.
func (r *renewal) ours() []string {
	found, _ := r.Secrets.Secret(r.SecretID(secret))
	var list []string
	for _, v := range found.Versions {
		for _, label := range v.Stages {
			if strings.HasPrefix(label, "cronbearer-") {
				list = append(list, label)
			}
		}
	}
	return list
}

func (r *renewal) healthy() {
	r.t.Helper()
	if got := r.AlarmState(rotationFailed); got != alarm.OK {
		r.t.Errorf("the alarm is %s\n%v", got, r.rotator())
	}
	if !r.auth.StillGood(r.refreshToken("AWSCURRENT")) || r.auth.Count(idp.RefreshToken).Reused > 0 {
		r.t.Errorf("the refresh token is dead, or one was used twice: %+v", r.auth.Count(idp.RefreshToken))
	}
	if left := r.ours(); len(left) > 0 {
		r.t.Errorf("labels are left: %v", left)
	}
}

func TestRenewalKeepsAnAnswerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]idp.Fault{
		"no access_token": idp.Without("access_token"),
		"not for Bearer":  {Change: func(body map[string]any) { body["token_type"] = "DPoP" }},
		"too large":       {Change: func(body map[string]any) { body["access_token"] = strings.Repeat("x", 80_000) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRenewal(t, awssim.Options{NoStarts: true})
			r.deploy()
			must(t, r.auth.Fail(fault))
			before, _ := r.Secrets.Secret(r.SecretID(secret))
			for range 2 {
				if err := r.rotate(); err == nil || !strings.Contains(err.Error(), "RotationFailedError") ||
					!strings.Contains(err.Error(), "cronbearer-kept") {
					t.Fatalf("%v", err)
				}
			}
			if got := r.AlarmState(rotationFailed); got != alarm.InAlarm {
				t.Errorf("the alarm is %s", got)
			}
			text, _ := r.Secrets.Value(r.SecretID(secret), "cronbearer-kept")
			var kept map[string]string
			must(t, json.Unmarshal([]byte(text), &kept))
			if !r.auth.StillGood(kept["refresh_token"]) || kept["answer"] == "" || kept["kept_for"] == "" || len(kept) != 3 {
				t.Errorf("kept: %.400s", text)
			}
			after, _ := r.Secrets.Secret(r.SecretID(secret))
			if after.Versions[0].ID != before.Versions[0].ID || len(after.Versions) != 4 { // AWSCURRENT, pending, two answers
				t.Errorf("%d versions", len(after.Versions))
			}
			r.auth.Heal()
			must(t, r.rotate())
			r.healthy()
		})
	}
}

// edit changes AWSCURRENT as an operator does, once createSecret is over.
func (r *renewal) edit(change func(map[string]any)) {
	r.t.Helper()
	text, _ := r.Secrets.Value(r.SecretID(secret), secretsmanager.Current)
	var value map[string]any
	must(r.t, json.Unmarshal([]byte(text), &value))
	change(value)
	data, err := json.Marshal(value)
	must(r.t, err)
	_, err = r.Secrets.Put(r.SecretID(secret), string(data))
	must(r.t, err)
}

func TestRenewalMergesAnEdit(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true, Deadline: 8 * time.Second})
	r.deploy()
	r.broken.Store(true) // the test call waits
	if err := r.rotate(); err == nil {
		t.Fatal("the API is down, and the rotation was finished")
	}
	r.edit(func(v map[string]any) {
		v["hosts"] = append(v["hosts"].([]any), "more.example.com")
	}) //nolint:forcetypeassert // it is a list
	r.broken.Store(false)
	must(t, r.rotate())
	r.healthy()
	text, _ := r.Secrets.Value(r.SecretID(secret), secretsmanager.Current)
	if last := r.rotator(); last[len(last)-1] != "finishSecret merged" || !strings.Contains(text, "more.example.com") {
		t.Errorf("%s; %v", text, last)
	}
	if err := r.Secrets.RotateSecret(t.Context(), r.SecretID(secret)); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestRenewalGivesUpForANewCredential(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true, Deadline: 8 * time.Second})
	r.deploy()
	r.broken.Store(true)
	if err := r.rotate(); err == nil {
		t.Fatal("the API is down, and the rotation was finished")
	}
	r.broken.Store(false)
	r.logIn(nil)
	if err := r.rotate(); err == nil || !strings.Contains(err.Error(), "RotationRefusedError") {
		t.Errorf("%v", err)
	}
	must(t, r.Secrets.RotateSecret(t.Context(), r.SecretID(secret))) // nothing is in the way of it
	r.pass(2 * time.Minute)
	r.healthy()
}

// TestRenewalOutlivesItsTest: the target is down for longer than the new token lives.
func TestRenewalOutlivesItsTest(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true, Deadline: 6 * time.Second})
	r.deploy()
	r.broken.Store(true)
	if err := r.rotate(); err == nil {
		t.Fatal("the API is down, and the rotation was finished")
	}
	r.pass(2 * time.Hour)
	must(t, r.rotate()) // untested
	r.broken.Store(false)
	must(t, r.rotate())
	r.healthy()
}

// TestDeploymentOfRotationRaisesNothing: AWS tests the function with a version of its own, whatever comes of it.
func TestDeploymentOfRotationRaisesNothing(t *testing.T) {
	t.Parallel()
	r := startRenewal(t, awssim.Options{NoStarts: true, Deadline: 6 * time.Second})
	r.deploy()
	must(t, r.Secrets.TestRotation(t.Context(), r.SecretID(secret)))
	r.broken.Store(true)
	if err := r.Secrets.TestRotation(t.Context(), r.SecretID(secret)); err == nil {
		t.Error("the API is down, and the test succeeded")
	}
	r.pass(2 * time.Minute)
	if got := r.AlarmState(rotationFailed); got == alarm.InAlarm || len(r.Emails("")) > 0 ||
		len(r.CloudWatch.Calls("PutMetricData")) > 0 {
		t.Errorf("the alarm is %s, emails: %v", got, r.Emails(""))
	}
}

// TestRotatorWithBadMetricVariables renews, and writes the datum as a line.
func TestRotatorWithBadMetricVariables(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string]map[string]string{
		"namespace": {"METRIC_NAMESPACE": "*"}, "stack name": {"STACK_NAME": ""},
	} {
		r := startRenewal(t, awssim.Options{NoStarts: true, Environment: environment})
		r.deploy()
		must(t, r.rotate())
		var out strings.Builder
		for _, run := range r.Runs() {
			out.Write(run.Stdout)
		}
		if !strings.Contains(out.String(), `"RotationFailed":0`) ||
			!strings.Contains(out.String(), "could not be stored") || len(r.CloudWatch.Calls("PutMetricData")) > 0 {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
