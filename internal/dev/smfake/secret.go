package smfake

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"
)

// Secret is one secret with the semantics of AWS's: immutable versions, each label on one version, labels moved by
// compare-and-swap, a hundred versions of which none younger than a day goes (Secrets Manager User Guide, "What's in a
// secret" and "Quotas"). Who reads or changes its fields, or calls one of AWS's operations, holds its lock.
type Secret struct {
	sync.Mutex

	Values   map[string]*string // by version; nil: AWSPENDING was given, and no value yet
	Created  map[string]time.Time
	Labels   map[string]string // version by label
	Enabled  bool              // rotation
	Function string            // that rotates it
	Past     []Past            // one for each change of labels
	Lag      time.Duration     // how old what DescribeSecret returns may be

	t         testing.TB
	arn, name string
}

// Past is the labels as they were until a moment.
type Past struct {
	at     time.Time
	labels map[string]string
}

const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

// NewSecret returns a secret with one version, which a function rotates.
func NewSecret(t testing.TB, arn, name, function, value string) *Secret {
	t.Helper()
	s := empty(t, arn, name)
	s.Enabled, s.Function = true, function
	s.PutByHand(value)
	return s
}

func empty(t testing.TB, arn, name string) *Secret {
	t.Helper()
	return &Secret{
		t: t, arn: arn, name: name,
		Values: map[string]*string{}, Created: map[string]time.Time{}, Labels: map[string]string{},
	}
}

// id returns version ids in the form of real ones.
func id() string { return uuid.NewString() }

// PutByHand is an operator's put-secret-value: AWSCURRENT moves.
func (s *Secret) PutByHand(value string) string {
	s.Lock()
	defer s.Unlock()
	version := id()
	s.Values[version], s.Created[version] = &value, time.Now()
	s.move(current, version)
	return version
}

// Rotate is RotateSecret: a new pending version, or that of a rotation that is not complete.
func (s *Secret) Rotate() string {
	s.Lock()
	defer s.Unlock()
	if p := s.Labels[pending]; p != "" && p != s.Labels[current] {
		return p
	}
	version := id()
	s.Values[version], s.Created[version] = nil, time.Now()
	s.move(pending, version)
	return version
}

// TakeOff is an operator's update-secret-version-stage.
func (s *Secret) TakeOff(label string) {
	s.Lock()
	defer s.Unlock()
	s.move(label, "")
}

func (s *Secret) move(label, version string) {
	s.Past = append(s.Past, Past{time.Now(), maps.Clone(s.Labels)})
	if label == current && s.Labels[current] != "" {
		s.Labels[previous] = s.Labels[current]
	}
	if version == "" {
		delete(s.Labels, label)
	} else {
		s.Labels[label] = version
	}
	for v := range s.Values {
		if len(s.labelsOf(s.Labels, v)) == 0 && time.Since(s.Created[v]) > 24*time.Hour {
			delete(s.Values, v)
		}
	}
}

func (s *Secret) labelsOf(labels map[string]string, version string) []string {
	var list []string
	for l, v := range labels {
		if v == version {
			list = append(list, l)
		}
	}
	slices.Sort(list)
	return list
}

// Label returns the version that has a label.
func (s *Secret) Label(label string) string {
	s.Lock()
	defer s.Unlock()
	return s.Labels[label]
}

// Value returns the text of the version with a label; empty: none.
func (s *Secret) Value(label string) string {
	s.Lock()
	defer s.Unlock()
	return aws.ToString(s.Values[s.Labels[label]])
}

// LabelsWith returns the labels that begin so.
func (s *Secret) LabelsWith(prefix string) []string {
	s.Lock()
	defer s.Unlock()
	var list []string
	for l := range s.Labels {
		if strings.HasPrefix(l, prefix) {
			list = append(list, l)
		}
	}
	return list
}

// Describe is DescribeSecret.
func (s *Secret) Describe() *secretsmanager.DescribeSecretOutput {
	labels := s.Labels
	if s.Lag > 0 {
		then := time.Now().Add(-rand.N(s.Lag)) //nolint:gosec // it hides nothing
		for _, p := range slices.Backward(s.Past) {
			if p.at.Before(then) {
				break
			}
			labels = p.labels
		}
	}
	out := &secretsmanager.DescribeSecretOutput{
		ARN: aws.String(s.arn), Name: aws.String(s.name), RotationEnabled: aws.Bool(s.Enabled),
		RotationLambdaARN: aws.String(s.Function), VersionIdsToStages: map[string][]string{},
	}
	for _, v := range labels {
		out.VersionIdsToStages[v] = s.labelsOf(labels, v)
	}
	return out
}

// Get is GetSecretValue.
func (s *Secret) Get(in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	stage := aws.ToString(in.VersionStage)
	if stage == "" {
		s.t.Error("GetSecretValue without a stage")
	}
	version := s.Labels[stage]
	value := s.Values[version]
	if value == nil {
		return nil, &types.ResourceNotFoundException{
			Message: aws.String("Secrets Manager can't find the specified secret value for staging label: " + stage),
		}
	}
	out := &secretsmanager.GetSecretValueOutput{
		ARN: aws.String(s.arn), Name: aws.String(s.name), VersionId: aws.String(version), SecretString: value,
		VersionStages: s.labelsOf(s.Labels, version),
	}
	if at, ok := s.Created[version]; ok {
		out.CreatedDate = aws.Time(at)
	}
	return out, nil
}

// Put is PutSecretValue.
func (s *Secret) Put(in *secretsmanager.PutSecretValueInput) (*secretsmanager.PutSecretValueOutput, error) {
	if len(in.VersionStages) == 0 {
		s.t.Error("PutSecretValue without stages moves AWSCURRENT")
	}
	version := aws.ToString(in.ClientRequestToken)
	if size := len(aws.ToString(in.SecretString)); size == 0 || size > 65536 || len(version) < 32 || len(version) > 64 {
		return nil, &types.InvalidParameterException{
			Message: aws.String("the secret value must have 1 to 65536 bytes, and the token 32 to 64 characters"),
		}
	}
	if before := s.Values[version]; before != nil {
		if *before != aws.ToString(in.SecretString) {
			return nil, &types.ResourceExistsException{Message: aws.String("You can't modify an existing version")}
		}
		return &secretsmanager.PutSecretValueOutput{VersionId: in.ClientRequestToken}, nil
	}
	if len(s.Values) > 100 {
		return nil, &types.LimitExceededException{Message: aws.String("too many versions")}
	}
	s.Values[version], s.Created[version] = aws.String(*in.SecretString), time.Now()
	for _, stage := range in.VersionStages {
		s.move(stage, version)
	}
	return &secretsmanager.PutSecretValueOutput{VersionId: in.ClientRequestToken}, nil
}

// Update is UpdateSecretVersionStage.
func (s *Secret) Update(
	in *secretsmanager.UpdateSecretVersionStageInput,
) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
	label, to, from := aws.ToString(in.VersionStage), aws.ToString(in.MoveToVersionId), aws.ToString(
		in.RemoveFromVersionId,
	)
	bad := func(text string) (*secretsmanager.UpdateSecretVersionStageOutput, error) {
		return nil, &types.InvalidParameterException{Message: aws.String(text)}
	}
	holder := s.Labels[label]
	switch {
	case from != "" && holder != from:
		return bad("RemoveFromVersionId must be the version that has the label " + label)
	case to != "" && from == "" && holder != "" && holder != to:
		return bad("RemoveFromVersionId can't be empty: the label is attached")
	case to != "" && s.Values[to] == nil:
		return bad("there is no version " + to) // a pending version without a value may not be one
	case to != "" && holder == "" && len(s.Labels) >= 20:
		return nil, &types.LimitExceededException{Message: aws.String("20 labels")}
	}
	s.move(label, to)
	return &secretsmanager.UpdateSecretVersionStageOutput{ARN: aws.String(s.arn), Name: aws.String(s.name)}, nil
}
