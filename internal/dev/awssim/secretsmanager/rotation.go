package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// Steps of a rotation, in order (User Guide, "Lambda rotation functions").
var Steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

type rotateRequest struct {
	SecretID, ClientRequestToken, RotationLambdaARN string
	RotationRules                                   map[string]any
	RotateImmediately                               *bool
}

// EnableRotation is what an AWS::SecretsManager::RotationSchedule with RotateImmediatelyOnUpdate: false leaves behind.
func (s *Store) EnableRotation(id, lambdaARN string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(id)
	if rejected != nil {
		return rejected
	}
	found.RotationEnabled, found.RotationLambdaARN = true, lambdaARN
	return nil
}

// TestRotation is what RotateSecret with RotateImmediately: false does next (API Reference): it "tests the rotation
// configuration by running the testSecret step", for which it "creates an AWSPENDING version of the secret and then
// removes it". The error is the step's; AWS does not say what becomes of it.
func (s *Store) TestRotation(ctx context.Context, id string) error {
	s.mu.Lock()
	found, rejected := s.living(id)
	if rejected != nil {
		s.mu.Unlock()
		return rejected
	}
	token, rejected := s.token("")
	current, pending := found.staged(Current), found.staged(Pending)
	if rejected != nil || current == nil || pending != nil && !pending.has(Current) {
		s.mu.Unlock()
		return fmt.Errorf("secret %s: its rotation cannot be tested now", found.Name)
	}
	v := &Version{ID: token, Created: s.config.Now(), Text: current.Text, Binary: current.Binary}
	found.Versions = append(found.Versions, v)
	found.move(Pending, v)
	lambdaARN, arn := found.RotationLambdaARN, found.ARN
	s.mu.Unlock()
	err := s.config.Rotate(ctx, lambdaARN, RotationEvent{Step: "testSecret", SecretID: arn, ClientRequestToken: token})
	s.mu.Lock()
	defer s.mu.Unlock()
	found.Versions = slices.DeleteFunc(found.Versions, func(other *Version) bool { return other == v })
	return err
}

// RotateSecret starts a rotation and runs it to its end, as far as it gets. The error says why it was not started, and
// then the one that was left behind is run again; how it went is in Rotations.
func (s *Store) RotateSecret(ctx context.Context, id string) error {
	start, _, rejected := s.startRotation(rotateRequest{SecretID: id})
	if start != nil {
		start(ctx)
	}
	if rejected != nil {
		return rejected
	}
	return nil
}

// Resume runs the steps of a rotation that did not end again: "A previous rotation isn't complete. That rotation
// will be reattempted".
func (s *Store) Resume(ctx context.Context, id string) error {
	s.mu.Lock()
	found, rejected := s.living(id)
	if rejected != nil {
		s.mu.Unlock()
		return rejected
	}
	pending := found.staged(Pending)
	if pending == nil || pending.has(Current) {
		s.mu.Unlock()
		return fmt.Errorf("secret %s: no rotation is under way", found.Name)
	}
	name, token := found.Name, pending.ID
	s.mu.Unlock()
	s.runSteps(ctx, name, token)
	return nil
}

// Rotations are those that were run, oldest first.
func (s *Store) Rotations() []Rotation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rotations)
}

// startRotation is what RotateSecret does before it answers. The function that it returns is what goes on behind the
// answer, a rejection too: "A previous rotation isn't complete. That rotation will be reattempted".
func (s *Store) startRotation(r rotateRequest) (func(context.Context), *versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, nil, rejected
	}
	lambdaARN, rules := found.RotationLambdaARN, found.RotationRules
	if r.RotationLambdaARN != "" {
		lambdaARN = r.RotationLambdaARN
	}
	if r.RotationRules != nil {
		rules = r.RotationRules
	}
	name := found.Name
	if lambdaARN == "" {
		return nil, nil, api.Reject(
			"InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.",
		)
	}
	token, rejected := s.token(r.ClientRequestToken)
	if rejected != nil {
		return nil, nil, rejected
	}
	current, pending := found.staged(Current), found.staged(Pending)
	switch {
	case current == nil:
		return nil, nil, api.Reject("InvalidRequestException", "You can't rotate a secret without a value.")
	case pending != nil && !pending.has(Current):
		again := pending.ID
		return func(ctx context.Context) {
				s.runSteps(ctx, name, again)
			}, nil, api.Reject(
				"InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.",
			)
	case found.version(token) != nil:
		return nil, nil, api.Reject("InvalidRequestException", "A version with this ClientRequestToken exists already.")
	}
	// What is rejected stores nothing.
	found.RotationEnabled, found.RotationLambdaARN, found.RotationRules = true, lambdaARN, rules
	if r.RotateImmediately != nil && !*r.RotateImmediately {
		return func(context.Context) {}, &versionAnswer{ARN: found.ARN, Name: found.Name}, nil
	}
	v := &Version{ID: token, Created: s.config.Now()}
	found.Versions = append(found.Versions, v)
	found.move(Pending, v)
	return func(ctx context.Context) {
		s.runSteps(ctx, name, token)
	}, &versionAnswer{ARN: found.ARN, Name: name, VersionID: token}, nil
}

// cancelRotation switches rotation off. AWSPENDING stays where it is.
func (s *Store) cancelRotation(r idRequest) (*versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	found.RotationEnabled = false
	answer := &versionAnswer{ARN: found.ARN, Name: found.Name}
	if pending := found.staged(Pending); pending != nil {
		answer.VersionID = pending.ID
	}
	return answer, nil
}

// runSteps invokes the function four times. How often Secrets Manager itself repeats a step that failed, it does not
// say; here the first failure ends the attempt and leaves AWSPENDING, as a failed rotation does.
func (s *Store) runSteps(ctx context.Context, name, token string) {
	s.mu.Lock()
	lambdaARN, arn := s.secrets[name].RotationLambdaARN, s.secrets[name].ARN
	s.mu.Unlock()
	var event RotationEvent
	var err error
	for _, step := range Steps {
		event = RotationEvent{Step: step, SecretID: arn, ClientRequestToken: token}
		if s.config.Rotate == nil {
			err = errors.New("no rotation function can be invoked")
		} else {
			err = s.config.Rotate(ctx, lambdaARN, event)
		}
		if err != nil {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	if found := s.secrets[name]; err == nil && found != nil {
		// "AWSPENDING might be attached to the same version as AWSCURRENT or might not be attached to any version"
		// (API Reference, RotateSecret).
		if v := found.version(token); v == nil || !v.has(Current) && v.has(Pending) {
			err = fmt.Errorf("finishSecret succeeded, but AWSPENDING is on version %s, and AWSCURRENT is not", token)
		} else {
			found.Rotated = now
		}
	}
	s.rotations = append(s.rotations, Rotation{At: now, Secret: name, Event: event, Err: err})
}
