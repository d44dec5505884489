package secretsmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	secrets "github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// service is a server with the SDK's own client in front of it.
type service struct {
	*secretsmanager.Client

	store  *secrets.Store
	server *secrets.Server
	now    time.Time
}

func start(t *testing.T, rotate secrets.Rotate) *service {
	t.Helper()
	s := &service{now: time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)}
	s.store = secrets.NewStore(secrets.Config{Now: func() time.Time { return s.now }, Rotate: rotate})
	s.server = secrets.NewServer(s.store)
	web := httptest.NewServer(s.server)
	t.Cleanup(web.Close)
	s.Client = secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(web.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKEKEY", SecretAccessKey: "fake"}, nil
		}),
	})
	return s
}

func (s *service) mustCreate(t *testing.T, name, value string) string {
	t.Helper()
	out, err := s.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
	if err != nil {
		t.Fatal(err)
	}
	return *out.VersionId
}

func code(err error) string {
	if failed, ok := errors.AsType[smithy.APIError](err); ok {
		return failed.ErrorCode()
	}
	if err != nil {
		return "no answer"
	}
	return ""
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// TestStages follows two rotations: what each stage says after each step.
func TestStages(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	first := s.mustCreate(t, "app/token", "value one")
	staged := func() map[string]string {
		values := map[string]string{}
		for _, stage := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"} {
			if out, err := s.GetSecretValue(
				t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("app/token"), VersionStage: &stage},
			); err == nil {
				values[stage] = *out.SecretString
			} else if code(err) != "ResourceNotFoundException" {
				t.Fatal(err)
			}
		}
		return values
	}
	steps := []struct {
		name string
		do   func() error
		want map[string]string
	}{
		{name: "created", do: func() error { return nil }, want: map[string]string{"AWSCURRENT": "value one"}},
		{name: "pending", do: func() error {
			_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
				SecretId: aws.String("app/token"), SecretString: aws.String("value two"), ClientRequestToken: aws.String(id(2)),
				VersionStages: []string{"AWSPENDING"},
			})
			return err
		}, want: map[string]string{"AWSCURRENT": "value one", "AWSPENDING": "value two"}},
		{name: "finished", do: func() error {
			_, err := s.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: aws.String("app/token"), VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(id(2)),
				RemoveFromVersionId: &first,
			})
			return err
		}, want: map[string]string{"AWSCURRENT": "value two", "AWSPENDING": "value two", "AWSPREVIOUS": "value one"}},
		{name: "put by an operator", do: func() error {
			_, err := s.PutSecretValue(
				t.Context(),
				&secretsmanager.PutSecretValueInput{SecretId: aws.String("app/token"), SecretString: aws.String("value three")},
			)
			return err
		}, want: map[string]string{"AWSCURRENT": "value three", "AWSPENDING": "value two", "AWSPREVIOUS": "value two"}},
		{name: "back by an operator", do: func() error {
			described, err := s.DescribeSecret(
				t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("app/token")},
			)
			if err != nil {
				return err
			}
			current := ""
			for version, stages := range described.VersionIdsToStages {
				for _, stage := range stages {
					if stage == "AWSCURRENT" {
						current = version
					}
				}
			}
			_, err = s.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: aws.String("app/token"), VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(id(2)),
				RemoveFromVersionId: &current,
			})
			return err
		}, want: map[string]string{"AWSCURRENT": "value two", "AWSPENDING": "value two", "AWSPREVIOUS": "value three"}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, staged()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", step.name, diff)
		}
	}
}

// TestRefusals asks for what AWS rejects.
func TestRejections(t *testing.T) {
	t.Parallel()
	name := aws.String("app/token")
	cases := map[string]struct {
		do   func(*service, context.Context) error
		want string
	}{
		"no secret": {do: func(s *service, ctx context.Context) error {
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("app/other")})
			return err
		}, want: "ResourceNotFoundException"},
		"no such stage": {do: func(s *service, ctx context.Context) error {
			_, err := s.GetSecretValue(
				ctx, &secretsmanager.GetSecretValueInput{SecretId: name, VersionStage: aws.String("AWSPENDING")},
			)
			return err
		}, want: "ResourceNotFoundException"},
		"no value yet": {do: func(s *service, ctx context.Context) error {
			if _, err := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("app/empty")}); err != nil {
				return err
			}
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("app/empty")})
			return err
		}, want: "ResourceNotFoundException"},
		"marked for deletion": {do: func(s *service, ctx context.Context) error {
			if _, err := s.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: name}); err != nil {
				return err
			}
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			return err
		}, want: "InvalidRequestException"},
		"version and stage that differ": {do: func(s *service, ctx context.Context) error {
			if _, err := s.PutSecretValue(
				ctx,
				&secretsmanager.PutSecretValueInput{
					SecretId: name, SecretString: aws.String("two"), ClientRequestToken: aws.String(id(2)),
				},
			); err != nil {
				return err
			}
			_, err := s.GetSecretValue(
				ctx,
				&secretsmanager.GetSecretValueInput{
					SecretId: name, VersionId: aws.String(id(2)), VersionStage: aws.String("AWSPREVIOUS"),
				},
			)
			return err
		}, want: "InvalidRequestException"},
		"another value under the same token": {do: func(s *service, ctx context.Context) error {
			for _, value := range []string{"two", "two", "three"} {
				if _, err := s.PutSecretValue(
					ctx,
					&secretsmanager.PutSecretValueInput{SecretId: name, SecretString: &value, ClientRequestToken: aws.String(id(2))},
				); err != nil {
					if value == "two" {
						return errors.New("the same value under the same token is not an error")
					}
					return err
				}
			}
			return nil
		}, want: "ResourceExistsException"},
		"a stage that moved meanwhile": {do: func(s *service, ctx context.Context) error {
			if _, err := s.PutSecretValue(
				ctx,
				&secretsmanager.PutSecretValueInput{
					SecretId: name, SecretString: aws.String("two"), ClientRequestToken: aws.String(id(2)),
					VersionStages: []string{"AWSPENDING"},
				},
			); err != nil {
				return err
			}
			_, err := s.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
				SecretId: name, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(id(2)),
				RemoveFromVersionId: aws.String(id(7)),
			})
			return err
		}, want: "InvalidParameterException"},
		"a stage moved without saying from where": {do: func(s *service, ctx context.Context) error {
			if _, err := s.PutSecretValue(
				ctx,
				&secretsmanager.PutSecretValueInput{
					SecretId: name, SecretString: aws.String("two"), ClientRequestToken: aws.String(id(2)),
					VersionStages: []string{"AWSPENDING"},
				},
			); err != nil {
				return err
			}
			_, err := s.UpdateSecretVersionStage(
				ctx,
				&secretsmanager.UpdateSecretVersionStageInput{
					SecretId: name, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: aws.String(id(2)),
				},
			)
			return err
		}, want: "InvalidParameterException"},
		"a short token": {do: func(s *service, ctx context.Context) error {
			_, err := s.PutSecretValue(
				ctx,
				&secretsmanager.PutSecretValueInput{
					SecretId: name, SecretString: aws.String("two"), ClientRequestToken: aws.String("short"),
				},
			)
			return err
		}, want: "InvalidParameterException"},
		"too many versions in a day": {do: func(s *service, ctx context.Context) error {
			for n := range 100 {
				if _, err := s.PutSecretValue(
					ctx,
					&secretsmanager.PutSecretValueInput{
						SecretId: name, SecretString: aws.String(fmt.Sprint("value ", n)), ClientRequestToken: aws.String(id(n)),
					},
				); err != nil {
					if n < 99 {
						return fmt.Errorf("version %d", n)
					}
					return err
				}
			}
			return nil
		}, want: "LimitExceededException"},
		"many versions over days": {do: func(s *service, ctx context.Context) error {
			for n := range 300 {
				s.now = s.now.Add(time.Hour)
				if _, err := s.PutSecretValue(
					ctx, &secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String(fmt.Sprint("value ", n))},
				); err != nil {
					return err
				}
			}
			return nil
		}, want: ""},
		"rotation without a function": {do: func(s *service, ctx context.Context) error {
			_, err := s.Client.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: name})
			return err
		}, want: "InvalidRequestException"},
		"throttled": {do: func(s *service, ctx context.Context) error {
			s.server.Faults.Set("GetSecretValue", *name, api.Throttled)
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			return err
		}, want: "ThrottlingException"},
		"hung up": {do: func(s *service, ctx context.Context) error {
			s.server.Faults.Set("", "", api.HungUp)
			_, err := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			return err
		}, want: "no answer"},
		"a fault that is over": {do: func(s *service, ctx context.Context) error {
			s.server.Faults.Set("GetSecretValue", "", api.Internal.Once(1))
			_, first := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			_, second := s.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			if code(first) != "InternalServiceError" {
				return fmt.Errorf("the first: %w", first)
			}
			return second
		}, want: ""},
		"denied": {do: func(s *service, ctx context.Context) error {
			s.server.Authorize = func(key string, a api.Access) *api.Error {
				if key == "FAKEKEY" && a.Action == "secretsmanager:GetSecretValue" &&
					strings.HasPrefix(a.Resource, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/token-") &&
					slices.Equal(a.Context["secretsmanager:versionstage"], []string{"AWSCURRENT"}) {
					return api.Denied.Error
				}
				return nil
			}
			_, err := s.GetSecretValue(
				ctx, &secretsmanager.GetSecretValueInput{SecretId: name, VersionStage: aws.String("AWSCURRENT")},
			)
			return err
		}, want: "AccessDeniedException"},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			s.mustCreate(t, *name, "value one")
			if got := code(c.do(s, t.Context())); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestRotation runs the four steps in order, and leaves AWSPENDING behind when one fails.
func TestRotation(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		failing string
		steps   []string
		current string
	}{
		"all steps":         {failing: "", steps: secrets.Steps, current: "renewed"},
		"testSecret fails":  {failing: "testSecret", steps: secrets.Steps[:3], current: "value one"},
		"finish does not":   {failing: "nothing moved", steps: secrets.Steps, current: "value one"},
		"the first rejects": {failing: "createSecret", steps: secrets.Steps[:1], current: "value one"},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var s *service
			var first string
			var steps []string
			s = start(t, func(ctx context.Context, _ string, e secrets.RotationEvent) error {
				steps = append(steps, e.Step)
				if e.Step == c.failing {
					return errors.New("the function failed")
				}
				switch e.Step {
				case "createSecret":
					_, err := s.PutSecretValue(
						ctx,
						&secretsmanager.PutSecretValueInput{
							SecretId: &e.SecretID, SecretString: aws.String("renewed"), ClientRequestToken: &e.ClientRequestToken,
							VersionStages: []string{"AWSPENDING"},
						},
					)
					return err
				case "finishSecret":
					if c.failing == "nothing moved" {
						return nil
					}
					_, err := s.UpdateSecretVersionStage(
						ctx,
						&secretsmanager.UpdateSecretVersionStageInput{
							SecretId: &e.SecretID, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &e.ClientRequestToken,
							RemoveFromVersionId: &first,
						},
					)
					return err
				}
				return nil
			})
			first = s.mustCreate(t, "app/token", "value one")
			_, err := s.Client.RotateSecret(
				t.Context(),
				&secretsmanager.RotateSecretInput{
					SecretId:          aws.String("app/token"),
					RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-1:123456789012:function:rotator"),
				},
			)
			if err != nil {
				t.Fatal(err)
			}
			s.server.Wait()
			if diff := cmp.Diff(c.steps, steps); diff != "" {
				t.Errorf("steps (-want +got)\n%s", diff)
			}
			if value, _ := s.store.Value("app/token", secrets.Current); value != c.current {
				t.Errorf("AWSCURRENT is %q", value)
			}
			rotations := s.store.Rotations()
			if len(rotations) != 1 || (rotations[0].Err != nil) != (c.failing != "") {
				t.Errorf("rotations: %+v", rotations)
			}
			_, err = s.Client.RotateSecret(t.Context(), &secretsmanager.RotateSecretInput{SecretId: aws.String("app/token")})
			s.server.Wait()
			if want := map[bool]string{true: "InvalidRequestException"}[c.failing != ""]; code(err) != want {
				t.Errorf("the next rotation: %v, want %q", err, want)
			}
		})
	}
}
