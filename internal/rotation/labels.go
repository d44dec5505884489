package rotation

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// The rotator's own labels, in addition to those of the lease. Together with AWS's three they stay well within the
// twenty that all versions of a secret may have.
const (
	// keptLabel is on the one version that holds a provider's answer that could not become a new version.
	keptLabel = "cronbearer-kept"
	// refusedLabel is the prefix of the label on AWSCURRENT that records when its credential was rejected.
	refusedLabel = "cronbearer-refused."
	// rejectedLabel is on a pending version whose token the test call rejected.
	rejectedLabel = "cronbearer-rejected"
	// mergedLabel is on a version with an operator's edit and a renewed token, until it is AWSCURRENT.
	mergedLabel = "cronbearer-merged"
	// ourLabels is the prefix of all of them, those of the lease included.
	ourLabels = "cronbearer-"
)

// labels are the labels of a secret's versions, by version.
type labels map[string][]string

// mark is a label on a version.
type mark struct{ label, holder string }

// marks returns the labels with a prefix, sorted.
func (l labels) marks(prefix string) []mark {
	var list []mark
	for holder, all := range l {
		for _, label := range all {
			if strings.HasPrefix(label, prefix) {
				list = append(list, mark{label, holder})
			}
		}
	}
	slices.SortFunc(list, func(a, b mark) int { return strings.Compare(a.label, b.label) })
	return list
}

// holder returns the version that has a label; empty: none. A label is on one version at most (API Reference,
// UpdateSecretVersionStage).
func (l labels) holder(label string) string {
	for version, all := range l {
		if slices.Contains(all, label) {
			return version
		}
	}
	return ""
}

// attach moves a label to a version. from is the version that has it; empty: none. A label of ours may be moved by
// anyone with the permission, so from makes it a compare-and-swap where that matters.
func attach(ctx context.Context, api SecretsManager, secret, label, to, from string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(secret), VersionStage: aws.String(label), MoveToVersionId: aws.String(to),
	}
	if from != "" {
		in.RemoveFromVersionId = aws.String(from) // fails if the label has been moved since
	}
	_, err := api.UpdateSecretVersionStage(ctx, in)
	return err
}

// detach removes a label from a version.
func detach(ctx context.Context, api SecretsManager, secret string, m mark) error {
	_, err := api.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: aws.String(secret), VersionStage: aws.String(m.label), RemoveFromVersionId: aws.String(m.holder),
	})
	return err
}

// forget removes a label that no step needs any more. If that fails, the next rotation does it.
func forget(ctx context.Context, api SecretsManager, secret string, m mark, log *slog.Logger) {
	if err := detach(ctx, api, secret, m); err != nil {
		log.DebugContext(ctx, "a label could not be removed", "secret", secret, "label", m.label, "error", explain(err))
	}
}

// rejection returns when the credential of AWSCURRENT was rejected, if that was less than a day ago. Until then it is
// not sent again: providers block clients that repeat a dead one.
func (s *rotation) rejection() (at time.Time, ok bool) {
	for _, m := range s.labels.marks(refusedLabel) {
		if m.holder != s.current {
			continue
		}
		seconds, err := strconv.ParseInt(strings.TrimPrefix(m.label, refusedLabel), 10, 64)
		at = time.Unix(seconds, 0).UTC()
		if age := s.now().Sub(at); err == nil && -remembered < age && age < remembered {
			return at, true
		}
	}
	return time.Time{}, false
}

// remember records the rejection in one label. Failing to record it fails nothing: the next rotation would be rejected
// again, which is what it prevents and no more.
func (s *rotation) remember(ctx context.Context) {
	for _, m := range s.labels.marks(refusedLabel) {
		forget(ctx, s.api, s.SecretID, m, s.log)
	}
	label := refusedLabel + strconv.FormatInt(s.now().Unix(), 10)
	if err := attach(ctx, s.api, s.SecretID, label, s.current, ""); err != nil {
		s.log.WarnContext(ctx, "the rejection by the provider could not be recorded",
			"secret", s.SecretID, "version", s.current, "error", explain(err))
	}
}
