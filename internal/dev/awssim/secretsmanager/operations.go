package secretsmanager

import (
	"cmp"
	"slices"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// Requests and answers have the names of the API reference.
type (
	payload struct {
		SecretString *string
		SecretBinary []byte
	}
	createRequest struct {
		payload

		Name, ClientRequestToken, Description, KmsKeyId string
	}
	putRequest struct {
		payload

		SecretID, ClientRequestToken, RotationToken string
		VersionStages                               []string
	}
	getRequest    struct{ SecretID, VersionID, VersionStage string }
	idRequest     struct{ SecretID string }
	deleteRequest struct {
		SecretID                   string
		ForceDeleteWithoutRecovery bool
		RecoveryWindowInDays       int
	}
	stageRequest struct{ SecretID, VersionStage, RemoveFromVersionID, MoveToVersionID string }
	listRequest  struct {
		SecretID          string
		IncludeDeprecated bool
	}

	versionAnswer struct {
		ARN, Name     string
		VersionID     string   `json:"VersionId,omitempty"`
		VersionStages []string `json:",omitempty"`
	}
	valueAnswer struct {
		versionAnswer

		SecretString *string `json:",omitempty"`
		SecretBinary []byte  `json:",omitempty"`
		CreatedDate  seconds
	}
	describeAnswer struct {
		ARN, Name, Description, KmsKeyId, RotationLambdaARN string         `json:",omitempty"`
		RotationEnabled                                     bool           `json:",omitempty"`
		RotationRules                                       map[string]any `json:",omitempty"`
		CreatedDate, LastChangedDate                        seconds
		LastRotatedDate, DeletedDate                        *seconds `json:",omitempty"`
		VersionIdsToStages                                  map[string][]string
	}
	listAnswer struct {
		ARN, Name string
		Versions  []listed
	}
	listed struct {
		VersionID     string   `json:"VersionId"`
		VersionStages []string `json:",omitempty"`
		CreatedDate   seconds
	}
)

func (p payload) check(required bool) *api.Error {
	switch {
	case p.SecretString != nil && p.SecretBinary != nil:
		return api.Reject(
			"InvalidParameterException",
			"You can't specify both a binary secret value and a string secret value in the same secret.",
		)
	case required && p.SecretString == nil && p.SecretBinary == nil:
		return api.Reject("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	case p.SecretString != nil && (*p.SecretString == "" ||
		len(*p.SecretString) > maxValue), len(p.SecretBinary) > maxValue:
		return api.Reject("InvalidParameterException", "The secret value must have 1 to %d bytes.", maxValue)
	}
	return nil
}

func (s *Store) create(r createRequest) (*versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !secretName.MatchString(r.Name) {
		return nil, api.Reject(
			"InvalidParameterException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
		)
	}
	if rejected := r.check(false); rejected != nil {
		return nil, rejected
	}
	id, rejected := s.token(r.ClientRequestToken)
	if rejected != nil {
		return nil, rejected
	}
	if found := s.secrets[r.Name]; found != nil {
		v := found.version(id)
		switch {
		case !found.Deleted.IsZero():
			return nil, api.Reject(
				"InvalidRequestException",
				"You can't create this secret because a secret with this name is already scheduled for deletion.",
			)
		case v != nil && v.same(r.SecretString, r.SecretBinary):
			return &versionAnswer{found.ARN, found.Name, id, nil}, nil
		}
		return nil, api.Reject(
			"ResourceExistsException", "The operation failed because the secret %s already exists.", r.Name,
		)
	}
	now := s.config.Now()
	created := &Secret{
		Name: r.Name, ARN: s.newARN(r.Name), Description: r.Description, KMSKeyID: cmp.Or(r.KmsKeyId, s.config.KeyARN),
		Created: now, Changed: now,
	}
	s.secrets[r.Name] = created
	answer := &versionAnswer{ARN: created.ARN, Name: created.Name}
	if r.SecretString != nil || r.SecretBinary != nil {
		created.Versions = []*Version{
			{ID: id, Text: r.SecretString, Binary: r.SecretBinary, Created: now, Stages: []string{Current}},
		}
		answer.VersionID = id
	}
	return answer, nil
}

func (s *Store) put(r putRequest) (*versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	if rejected := r.check(true); rejected != nil {
		return nil, rejected
	}
	if len(r.VersionStages) > maxStages || slices.Contains(r.VersionStages, "") {
		return nil, api.Reject(
			"InvalidParameterException", "VersionStages must have 1 to %d stages of 1 to 256 characters.", maxStages,
		)
	}
	id, rejected := s.token(r.ClientRequestToken)
	if rejected != nil {
		return nil, rejected
	}
	now := s.config.Now()
	v := found.version(id)
	switch {
	case v == nil || v.empty(): // an empty one was staged by RotateSecret
		if !found.room(now) {
			return nil, api.Reject("LimitExceededException", "The secret has too many versions.")
		}
		if found.full(r.VersionStages) {
			return nil, api.Reject("LimitExceededException", "You have exceeded the maximum number of staging labels.")
		}
		if v == nil {
			v = &Version{ID: id, Created: now}
			found.Versions = append(found.Versions, v)
		}
	case v.same(r.SecretString, r.SecretBinary):
		return &versionAnswer{found.ARN, found.Name, id, slices.Clone(v.Stages)}, nil
	default:
		return nil, api.Reject(
			"ResourceExistsException",
			"A resource with the ID you requested already exists. You can't modify an existing version, you can only create "+
				"new versions.",
		)
	}
	v.Text, v.Binary, v.Created = r.SecretString, r.SecretBinary, now
	stages := r.VersionStages
	if len(stages) == 0 {
		stages = []string{Current}
	}
	for _, stage := range stages {
		found.move(stage, v)
	}
	found.Changed = now
	return &versionAnswer{found.ARN, found.Name, id, slices.Clone(v.Stages)}, nil
}

func (s *Store) get(r getRequest) (*valueAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	stage := r.VersionStage
	if stage == "" && r.VersionID == "" {
		stage = Current
	}
	var v *Version
	switch {
	case r.VersionID == "":
		v = found.staged(stage)
	case found.version(r.VersionID) == nil:
		return nil, api.Reject(
			"ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s",
			r.VersionID,
		)
	default:
		if v = found.version(r.VersionID); stage != "" && !v.has(stage) {
			return nil, api.Reject(
				"InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.",
			)
		}
	}
	if v == nil || v.empty() {
		return nil, api.Reject(
			"ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage,
		)
	}
	return &valueAnswer{
		versionAnswer: versionAnswer{found.ARN, found.Name, v.ID, slices.Clone(v.Stages)},
		SecretString:  v.Text, SecretBinary: v.Binary, CreatedDate: seconds(v.Created),
	}, nil
}

// updateStage is the compare-and-swap: a label that sits elsewhere moves only if the request says from where.
func (s *Store) updateStage(r stageRequest) (*versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	if r.VersionStage == "" {
		return nil, api.Reject("InvalidParameterException", "You must provide a value for the VersionStage parameter.")
	}
	var to *Version
	if r.MoveToVersionID != "" {
		if to = found.version(r.MoveToVersionID); to == nil {
			return nil, api.Reject(
				"ResourceNotFoundException", "Secrets Manager can't find the specified secret version: %s", r.MoveToVersionID,
			)
		}
	}
	holder := found.staged(r.VersionStage)
	switch {
	case r.RemoveFromVersionID != "" && (holder == nil || holder.ID != r.RemoveFromVersionID):
		return nil, api.Reject(
			"InvalidParameterException",
			"The parameter RemoveFromVersionId is set to version %s but staging label %s is not attached to that version.",
			r.RemoveFromVersionID, r.VersionStage,
		)
	case to == nil && r.RemoveFromVersionID == "":
		return nil, api.Reject("InvalidParameterException", "You must provide MoveToVersionId or RemoveFromVersionId.")
	case to == nil && r.VersionStage == Current:
		return nil, api.Reject(
			"InvalidParameterException", "You can't remove the staging label AWSCURRENT without moving it to another version.",
		)
	case holder != nil && holder != to && r.RemoveFromVersionID == "":
		return nil, api.Reject(
			"InvalidParameterException",
			"The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you "+
				"must explicitly reference that version in RemoveFromVersionId.",
			r.VersionStage, holder.ID,
		)
	case to != nil && found.full([]string{r.VersionStage}):
		return nil, api.Reject("LimitExceededException", "You have exceeded the maximum number of staging labels.")
	}
	found.move(r.VersionStage, to)
	found.Changed = s.config.Now()
	return &versionAnswer{ARN: found.ARN, Name: found.Name}, nil
}

func (s *Store) describe(r idRequest) (*describeAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.SecretID == "" {
		return nil, api.Reject("InvalidParameterException", "You must provide a value for the SecretId parameter.")
	}
	found := s.find(r.SecretID) // one that is marked for deletion is described anyway
	if found == nil {
		return nil, api.Reject("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	answer := &describeAnswer{
		ARN: found.ARN, Name: found.Name, Description: found.Description, KmsKeyId: found.KMSKeyID,
		RotationLambdaARN: found.RotationLambdaARN, RotationEnabled: found.RotationEnabled,
		RotationRules: found.RotationRules,
		CreatedDate:   seconds(found.Created), LastChangedDate: seconds(found.Changed), VersionIdsToStages: found.stages(),
	}
	if !found.Rotated.IsZero() {
		rotated := seconds(found.Rotated)
		answer.LastRotatedDate = &rotated
	}
	if !found.Deleted.IsZero() {
		deleted := seconds(found.Deleted)
		answer.DeletedDate = &deleted
	}
	return answer, nil
}

func (s *Store) list(r listRequest) (*listAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	answer := &listAnswer{ARN: found.ARN, Name: found.Name, Versions: []listed{}}
	for _, v := range found.Versions {
		if len(v.Stages) > 0 || r.IncludeDeprecated {
			answer.Versions = append(answer.Versions, listed{v.ID, slices.Clone(v.Stages), seconds(v.Created)})
		}
	}
	return answer, nil
}

type deleteAnswer struct {
	ARN, Name    string
	DeletionDate seconds
}

// defaultRecovery is the days that a deleted secret can be restored for.
const defaultRecovery = 30

func (s *Store) delete(r deleteRequest) (*deleteAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, rejected := s.living(r.SecretID)
	if rejected != nil {
		return nil, rejected
	}
	days := r.RecoveryWindowInDays
	switch {
	case r.ForceDeleteWithoutRecovery && days != 0:
		return nil, api.Reject(
			"InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
		)
	case days != 0 && (days < 7 || days > 30):
		return nil, api.Reject(
			"InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
		)
	case days == 0:
		days = defaultRecovery
	}
	now := s.config.Now()
	if r.ForceDeleteWithoutRecovery {
		delete(s.secrets, found.Name)
		return &deleteAnswer{found.ARN, found.Name, seconds(now)}, nil
	}
	found.Deleted = now
	return &deleteAnswer{found.ARN, found.Name, seconds(now.AddDate(0, 0, days))}, nil
}

func (s *Store) restore(r idRequest) (*versionAnswer, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(r.SecretID)
	if found == nil {
		return nil, api.Reject("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	found.Deleted = time.Time{}
	return &versionAnswer{ARN: found.ARN, Name: found.Name}, nil
}
