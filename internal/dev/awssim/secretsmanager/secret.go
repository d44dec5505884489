// Package secretsmanager is a model of AWS Secrets Manager, over HTTP as AWS's SDKs speak it: versions that never
// change, stages that move by compare-and-swap, rotation, and the errors of its API reference. It is a model, not AWS:
// it knows the operations that this repository's functions and tests use, and rejects the others.
package secretsmanager

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// The stages that Secrets Manager moves automatically.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

const (
	// maxVersions of a secret; only versions without a stage and older than a day make room ("Secrets Manager quotas").
	maxVersions = 100
	// minAge: "Secrets Manager doesn't remove versions created less than 24 hours ago" (PutSecretValue).
	minAge = 24 * time.Hour
	// maxStages on all versions of a secret together ("Staging labels attached across all versions of a secret").
	maxStages = 20
	// maxValue is the size of an encrypted value in bytes.
	maxValue = 65536
)

// Secret is one secret, as DescribeSecret shows it.
type Secret struct {
	Name, ARN, Description, KMSKeyID string

	Created, Changed, Rotated time.Time // zero: never
	Deleted                   time.Time // when it was marked for deletion; zero: it was not

	RotationEnabled   bool
	RotationLambdaARN string
	RotationRules     map[string]any

	Versions []*Version // oldest first
}

// Version is one version. Its value never changes once it has one; RotateSecret makes versions without.
type Version struct {
	ID      string
	Text    *string
	Binary  []byte
	Created time.Time
	Stages  []string
}

func (v *Version) empty() bool { return v.Text == nil && v.Binary == nil }

func (v *Version) same(text *string, binary []byte) bool {
	if (v.Text == nil) != (text == nil) {
		return false
	}
	return (text == nil || *v.Text == *text) && bytes.Equal(v.Binary, binary)
}

func (v *Version) has(stage string) bool { return slices.Contains(v.Stages, stage) }

func (s *Secret) version(id string) *Version {
	for _, v := range s.Versions {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (s *Secret) staged(stage string) *Version {
	for _, v := range s.Versions {
		if v.has(stage) {
			return v
		}
	}
	return nil
}

// move puts a stage on a version. The version that loses AWSCURRENT gets AWSPREVIOUS
// ("Secrets Manager also automatically moves the staging label AWSPREVIOUS to the version that AWSCURRENT was removed
// from": UpdateSecretVersionStage).
func (s *Secret) move(stage string, to *Version) {
	from := s.staged(stage)
	if from == to {
		return
	}
	if from != nil {
		from.Stages = slices.DeleteFunc(from.Stages, func(name string) bool { return name == stage })
	}
	if to != nil {
		to.Stages = append(to.Stages, stage)
	}
	if stage == Current && from != nil {
		s.move(Previous, from)
		if to != nil {
			to.Stages = slices.DeleteFunc(to.Stages, func(name string) bool { return name == Previous })
		}
	}
}

// room makes place for one more value, or reports that there is none. A version that RotateSecret made and that has no
// value yet is none.
func (s *Secret) room(now time.Time) bool {
	kept := 0
	for _, v := range s.Versions {
		kept += one(!v.empty())
	}
	s.Versions = slices.DeleteFunc(s.Versions, func(v *Version) bool {
		old := kept >= maxVersions && len(v.Stages) == 0 && now.Sub(v.Created) >= minAge
		kept -= one(old && !v.empty())
		return old
	})
	return kept < maxVersions
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// full reports whether stages that no version has yet would be too many.
func (s *Secret) full(stages []string) bool {
	attached := map[string]bool{}
	for _, v := range s.Versions {
		for _, stage := range v.Stages {
			attached[stage] = true
		}
	}
	before := len(attached)
	for _, stage := range stages {
		attached[stage] = true
	}
	return len(attached) > maxStages && len(attached) > before
}

func (s *Secret) stages() map[string][]string {
	all := map[string][]string{}
	for _, v := range s.Versions {
		if len(v.Stages) > 0 {
			all[v.ID] = slices.Clone(v.Stages)
		}
	}
	return all
}

func (s *Secret) clone() Secret {
	c := *s
	c.RotationRules = maps.Clone(s.RotationRules)
	c.Versions = make([]*Version, len(s.Versions))
	for i, v := range s.Versions {
		copied := *v
		copied.Stages, copied.Binary = slices.Clone(v.Stages), bytes.Clone(v.Binary)
		c.Versions[i] = &copied
	}
	return c
}
