package secretsmanager

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
)

// RotationEvent is what Secrets Manager invokes a rotation function with.
type RotationEvent struct {
	Step               string `json:"Step"`
	SecretID           string `json:"SecretId"`
	ClientRequestToken string `json:"ClientRequestToken"`
}

// Rotate invokes the rotation function for one step.
type Rotate func(ctx context.Context, lambdaARN string, event RotationEvent) error

// Rotation is how one rotation went.
type Rotation struct {
	At     time.Time
	Secret string // its name
	Event  RotationEvent
	Err    error // of the last step; nil when it was finished
}

// Config is where a Store lives.
type Config struct {
	Region, AccountID, Partition string
	KeyARN                       string    // of the key of new secrets that name none; empty: aws/secretsmanager
	Now                          api.Clock // nil: the real clock
	Rotate                       Rotate    // nil: RotateSecret finds no function
}

// Store holds the secrets of one account and Region. Safe for concurrent use.
type Store struct {
	config Config

	mu        sync.Mutex
	secrets   map[string]*Secret // by name
	made      int                // for ids that are the same each time
	rotations []Rotation
}

// NewStore returns an empty Store.
func NewStore(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	for field, def := range map[*string]string{
		&c.Region: "eu-west-1", &c.AccountID: "123456789012", &c.Partition: "aws",
	} {
		if *field == "" {
			*field = def
		}
	}
	return &Store{config: c, secrets: map[string]*Secret{}}
}

// Put stores a new value of a secret, as "aws secretsmanager put-secret-value" does; it creates a missing one.
// It returns the version's id.
func (s *Store) Put(name, value string) (string, error) {
	s.mu.Lock()
	_, exists := s.secrets[name]
	s.mu.Unlock()
	if !exists {
		out, err := s.create(createRequest{Name: name, payload: payload{SecretString: &value}})
		if err != nil {
			return "", err
		}
		return out.VersionID, nil
	}
	return s.PutStaged(name, value)
}

// PutStaged stores a new version with its stages; none means AWSCURRENT.
func (s *Store) PutStaged(name, value string, stages ...string) (string, error) {
	out, err := s.put(putRequest{SecretID: name, payload: payload{SecretString: &value}, VersionStages: stages})
	if err != nil {
		return "", err
	}
	return out.VersionID, nil
}

// Secret returns a copy of a secret by its name or ARN.
func (s *Store) Secret(id string) (Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(id)
	if found == nil {
		return Secret{}, false
	}
	return found.clone(), true
}

// Value is the text of the version with a stage.
func (s *Store) Value(id, stage string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(id)
	if found == nil {
		return "", false
	}
	v := found.staged(stage)
	if v == nil || v.Text == nil {
		return "", false
	}
	return *v.Text, true
}

// Delete marks a secret for deletion, as "aws secretsmanager delete-secret" does.
func (s *Store) Delete(id string) error {
	if _, err := s.delete(deleteRequest{SecretID: id}); err != nil {
		return err
	}
	return nil
}

// Restore undoes that.
func (s *Store) Restore(id string) error {
	if _, err := s.restore(idRequest{SecretID: id}); err != nil {
		return err
	}
	return nil
}

var (
	secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	tokenShape = regexp.MustCompile(`^.{32,64}$`)
)

// find looks a secret up by its name, its ARN, or its ARN without the six characters at the end. mu is held.
func (s *Store) find(id string) *Secret {
	if found := s.secrets[id]; found != nil {
		return found
	}
	for _, candidate := range s.secrets {
		if id == candidate.ARN || id == candidate.ARN[:len(candidate.ARN)-7] {
			return candidate
		}
	}
	return nil
}

// living finds a secret that is not marked for deletion.
func (s *Store) living(id string) (*Secret, *api.Error) {
	if id == "" {
		return nil, api.Reject("InvalidParameterException", "You must provide a value for the SecretId parameter.")
	}
	found := s.find(id)
	switch {
	case found == nil:
		return nil, api.Reject("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	case !found.Deleted.IsZero():
		return nil, api.Reject(
			"InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.",
		)
	}
	return found, nil
}

// arn is the ARN of a secret that may not exist, as IAM's policies see it.
func (s *Store) arn(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(id); found != nil {
		return found.ARN
	}
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return s.newARN(id)
}

func (s *Store) newARN(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strings.Join([]string{
		"arn", s.config.Partition, "secretsmanager", s.config.Region, s.config.AccountID, "secret",
		name + "-" + base32.StdEncoding.EncodeToString(sum[:])[:6],
	}, ":")
}

// token is the id of a version that the client did not name. mu is held.
func (s *Store) token(given string) (string, *api.Error) {
	if given != "" {
		if !tokenShape.MatchString(given) {
			return "", api.Reject("InvalidParameterException", "Invalid ClientRequestToken: it must have 32 to 64 characters.")
		}
		return given, nil
	}
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "version %d", s.made))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// CreateSecret creates a secret as the API's CreateSecret does, with the request's token as the version's id. It
// returns the secret's ARN and the version's id.
func (s *Store) CreateSecret(name, value, token string) (arn, version string, err error) {
	answer, rejected := s.create(
		createRequest{payload: payload{SecretString: &value}, Name: name, ClientRequestToken: token},
	)
	if rejected != nil {
		return "", "", rejected
	}
	return answer.ARN, answer.VersionID, nil
}

// PutSecretValue stores a new AWSCURRENT as the API's PutSecretValue does. It returns the secret's ARN and the
// version's id.
func (s *Store) PutSecretValue(id, value, token string) (arn, version string, err error) {
	answer, rejected := s.put(putRequest{payload: payload{SecretString: &value}, SecretID: id, ClientRequestToken: token})
	if rejected != nil {
		return "", "", rejected
	}
	return answer.ARN, answer.VersionID, nil
}
