package secretsmanager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	secrets "github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// TestLabelsOfAllVersions: twenty labels are all that a secret has, however many versions they sit on.
func TestLabelsOfAllVersions(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	ctx, name := t.Context(), aws.String("app/token")
	s.mustCreate(t, *name, "value 0")
	versions := []string{id(1), id(2)}
	for n, version := range versions {
		if _, err := s.PutSecretValue(
			ctx,
			&secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String(fmt.Sprint("value ", n+
				1)), ClientRequestToken: &version},
		); err != nil {
			t.Fatal(err)
		}
	}
	label := func(stage, version string) error {
		_, err := s.UpdateSecretVersionStage(
			ctx,
			&secretsmanager.UpdateSecretVersionStageInput{SecretId: name, VersionStage: &stage, MoveToVersionId: &version},
		)
		return err
	}
	for n := range 18 { // AWSCURRENT and AWSPREVIOUS are two
		if err := label(fmt.Sprint("label-", n), versions[n%2]); err != nil {
			t.Fatalf("label %d: %v", n, err)
		}
	}
	if got := code(label("one-more", versions[0])); got != "LimitExceededException" {
		t.Errorf("one more label: %q", got)
	}
	_, err := s.PutSecretValue(
		ctx,
		&secretsmanager.PutSecretValueInput{
			SecretId: name, SecretString: aws.String("value 4"), VersionStages: []string{"AWSPENDING"},
		},
	)
	if got := code(err); got != "LimitExceededException" {
		t.Errorf("one more label with a value: %q", got)
	}
	if found, _ := s.store.Secret(*name); len(found.Versions) != 3 {
		t.Errorf("what was rejected left a version: %d", len(found.Versions))
	}
	if _, err := s.PutSecretValue(
		ctx, &secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String("value 5")},
	); err != nil {
		t.Errorf("labels that only move: %v", err)
	}
}

// TestRefusedRotation stores nothing, and runs the rotation again that was left behind.
func TestRejectedRotation(t *testing.T) {
	t.Parallel()
	const mine = "arn:aws:lambda:eu-west-1:123456789012:function:rotator"
	const another = "arn:aws:lambda:eu-west-1:123456789012:function:another"
	var invoked []string
	s := start(t, func(_ context.Context, arn string, e secrets.RotationEvent) error {
		invoked = append(invoked, arn+" "+e.ClientRequestToken)
		return errors.New("the function failed")
	})
	ctx, name := t.Context(), aws.String("app/token")
	s.mustCreate(t, *name, "value one")
	rotate := func(in secretsmanager.RotateSecretInput) error {
		in.SecretId = name
		_, err := s.Client.RotateSecret(ctx, &in)
		s.server.Wait()
		return err
	}
	if err := rotate(
		secretsmanager.RotateSecretInput{RotationLambdaARN: aws.String(mine), ClientRequestToken: aws.String(id(1))},
	); err != nil {
		t.Fatal(err)
	}
	if got := code(
		rotate(
			secretsmanager.RotateSecretInput{RotationLambdaARN: aws.String(another), ClientRequestToken: aws.String(id(2))},
		),
	); got != "InvalidRequestException" {
		t.Errorf("the second: %q", got)
	}
	if want := []string{mine + " " + id(1), mine + " " + id(1)}; !slices.Equal(want, invoked) {
		t.Errorf("invoked %q, want %q", invoked, want)
	}
	if found, _ := s.store.Secret(*name); found.RotationLambdaARN != mine || len(found.Versions) != 2 {
		t.Errorf("what was rejected is stored: %+v", found)
	}
}

// TestEmptyVersionIsNoValue: the hundredth value goes into a version that RotateSecret made; the next has no room.
func TestEmptyVersionIsNoValue(t *testing.T) {
	t.Parallel()
	s := start(t, func(context.Context, string, secrets.RotationEvent) error { return errors.New("the function failed") })
	ctx, name := t.Context(), aws.String("app/token")
	s.mustCreate(t, *name, "value 0")
	put := func(n int) error {
		_, err := s.PutSecretValue(
			ctx,
			&secretsmanager.PutSecretValueInput{
				SecretId: name, SecretString: aws.String(fmt.Sprint("value ", n)), ClientRequestToken: aws.String(id(n)),
				VersionStages: []string{"AWSPENDING"},
			},
		)
		return err
	}
	for n := 1; n < 99; n++ {
		if err := put(n); err != nil {
			t.Fatalf("value %d: %v", n, err)
		}
	}
	if _, err := s.UpdateSecretVersionStage(
		ctx,
		&secretsmanager.UpdateSecretVersionStageInput{
			SecretId: name, VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: aws.String(id(98)),
		},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.RotateSecret(
		ctx,
		&secretsmanager.RotateSecretInput{
			SecretId: name, ClientRequestToken: aws.String(id(99)),
			RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:rotator"),
		},
	); err != nil {
		t.Fatal(err)
	}
	s.server.Wait()
	if err := put(99); err != nil {
		t.Errorf("the hundredth value: %v", err)
	}
	if got := code(put(100)); got != "LimitExceededException" {
		t.Errorf("the next: %q", got)
	}
}
