package local

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

func (s *Server) registerSecretsManager() {
	on(s, "secretsmanager:DescribeSecret", func(in *sm.DescribeSecretInput) string { return s.secretARN(in.SecretId) },
		s.describeSecret)
	on(s, "secretsmanager:ListSecretVersionIds",
		func(in *sm.ListSecretVersionIdsInput) string { return s.secretARN(in.SecretId) }, s.listSecretVersionIDs)
	on(s, "secretsmanager:CreateSecret", func(in *sm.CreateSecretInput) string {
		return s.secretARN(in.Name)
	}, s.createSecret)
	on(s, "secretsmanager:PutSecretValue", func(in *sm.PutSecretValueInput) string { return s.secretARN(in.SecretId) },
		s.putSecretValue)
	on(s, "secretsmanager:RotateSecret", func(in *sm.RotateSecretInput) string { return s.secretARN(in.SecretId) },
		s.rotateSecret)
}

func (s *Server) secretARN(id *string) string {
	if secret, ok := s.cloud.Secrets.Secret(aws.ToString(id)); ok {
		return secret.ARN
	}
	return s.arn("secretsmanager", "secret:"+aws.ToString(id)+"-??????")
}

func (s *Server) secret(id *string) (secretsmanager.Secret, error) {
	secret, ok := s.cloud.Secrets.Secret(aws.ToString(id))
	if !ok {
		return secret, api.Reject("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return secret, nil
}

func (s *Server) describeSecret(_ context.Context, in *sm.DescribeSecretInput) (*sm.DescribeSecretOutput, error) {
	secret, err := s.secret(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &sm.DescribeSecretOutput{
		ARN: &secret.ARN, Name: &secret.Name, CreatedDate: &secret.Created, LastChangedDate: &secret.Changed,
		RotationEnabled: &secret.RotationEnabled, VersionIdsToStages: map[string][]string{},
	}
	if secret.RotationLambdaARN != "" {
		out.RotationLambdaARN = &secret.RotationLambdaARN
	}
	if !secret.Rotated.IsZero() {
		out.LastRotatedDate = &secret.Rotated
	}
	if !secret.Deleted.IsZero() {
		out.DeletedDate = &secret.Deleted
	}
	for _, v := range secret.Versions {
		if len(v.Stages) > 0 {
			out.VersionIdsToStages[v.ID] = v.Stages
		}
	}
	return out, nil
}

func (s *Server) listSecretVersionIDs(
	_ context.Context, in *sm.ListSecretVersionIdsInput,
) (*sm.ListSecretVersionIdsOutput, error) {
	secret, err := s.secret(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &sm.ListSecretVersionIdsOutput{ARN: &secret.ARN, Name: &secret.Name}
	for _, v := range secret.Versions {
		if len(v.Stages) > 0 || aws.ToBool(in.IncludeDeprecated) {
			out.Versions = append(out.Versions, smtypes.SecretVersionsListEntry{
				VersionId: &v.ID, VersionStages: v.Stages, CreatedDate: &v.Created,
			})
		}
	}
	return out, nil
}

func (s *Server) createSecret(_ context.Context, in *sm.CreateSecretInput) (*sm.CreateSecretOutput, error) {
	value := s.cloud.Local(aws.ToString(in.SecretString))
	arn, version, err := s.cloud.Secrets.CreateSecret(aws.ToString(in.Name), value, aws.ToString(in.ClientRequestToken))
	if err != nil {
		return nil, err
	}
	return &sm.CreateSecretOutput{ARN: &arn, Name: in.Name, VersionId: &version}, nil
}

func (s *Server) putSecretValue(_ context.Context, in *sm.PutSecretValueInput) (*sm.PutSecretValueOutput, error) {
	value := s.cloud.Local(aws.ToString(in.SecretString))
	arn, version, err := s.cloud.Secrets.PutSecretValue(
		aws.ToString(in.SecretId), value, aws.ToString(in.ClientRequestToken),
	)
	if err != nil {
		return nil, err
	}
	return &sm.PutSecretValueOutput{ARN: &arn, VersionId: &version, VersionStages: []string{secretsmanager.Current}}, nil
}

func (s *Server) rotateSecret(ctx context.Context, in *sm.RotateSecretInput) (*sm.RotateSecretOutput, error) {
	secret, err := s.secret(in.SecretId)
	if err != nil {
		return nil, err
	}
	if !secret.RotationEnabled {
		return nil, api.Reject("InvalidRequestException", "You can't rotate the secret because rotation isn't configured.")
	}
	if err := s.cloud.Secrets.RotateSecret(ctx, secret.Name); err != nil {
		return nil, err
	}
	out := &sm.RotateSecretOutput{ARN: &secret.ARN, Name: &secret.Name}
	if after, err := s.secret(in.SecretId); err == nil && len(after.Versions) > 0 {
		out.VersionId = &after.Versions[len(after.Versions)-1].ID
	}
	return out, nil
}
