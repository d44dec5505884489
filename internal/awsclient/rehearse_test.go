package awsclient_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/internal/awsclient"
	"github.com/cronbearer/cronbearer/internal/settings"
)

func TestRehearseAsksAWSNothing(t *testing.T) {
	environment(t)
	s := settings.Settings{Region: "eu-west-1"}
	w := &wire{}
	if err := awsclient.Rehearse(awsclient.SecretsManager(s, w), awsclient.CloudWatch(s, w)); err != nil {
		t.Error(err)
	}
	if len(w.requests) != 0 {
		t.Errorf("%d requests", len(w.requests))
	}
}

// Without credentials nothing is rehearsed, and nothing waits.
func TestRehearseWithoutCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	s := settings.Settings{Region: "eu-west-1"}
	w := &wire{}
	if err := awsclient.Rehearse(awsclient.SecretsManager(s, w), awsclient.CloudWatch(s, w)); err == nil {
		t.Error("no error")
	}
}
