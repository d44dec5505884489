// Package smfake is Secrets Manager for unit tests, in the process and without HTTP. A Secret has the semantics of
// AWS's labels and versions; a Reader is the client that a run reads many of them with, whose time, errors and hangs
// are the test's. What a test did not put there does not exist, and what no role of ours allows fails the test. Tests
// of whole binaries use the simulator instead (awssim/secretsmanager), which speaks HTTP.
package smfake

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Reader is the part of *secretsmanager.Client that reads values. Its exported fields are set between reads.
type Reader struct {
	Err    error         // of every read, if set
	First  error         // of the first read only, if set
	Took   time.Duration // of a read
	Panics any           // by every read, if set

	t       testing.TB
	mu      sync.Mutex
	secrets map[string]*Secret
	raw     map[string]*secretsmanager.GetSecretValueOutput // by read
	reads   []string
}

// Hang is a time that no run waits for.
const Hang = 1000 * time.Hour

// NewReader returns a Reader without secrets.
func NewReader(t testing.TB) *Reader {
	t.Helper()
	return &Reader{
		t: t, secrets: map[string]*Secret{}, raw: map[string]*secretsmanager.GetSecretValueOutput{},
	}
}

// Put puts a label on a version with the id and text given. Its creation date is at; the zero time: it has none.
func (r *Reader) Put(id, label, version, text string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets[id] == nil {
		r.secrets[id] = empty(r.t, id, id)
	}
	s := r.secrets[id]
	s.Values[version], s.Labels[label] = &text, version
	if !at.IsZero() {
		s.Created[version] = at
	}
	delete(r.raw, id+" "+label)
}

// PutRaw makes an output the answer to reads of a label.
func (r *Reader) PutRaw(id, label string, out *secretsmanager.GetSecretValueOutput) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw[id+" "+label] = out
}

// Fail makes every read fail; nil: no longer.
func (r *Reader) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Err = err
}

// Clear removes all secrets.
func (r *Reader) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.secrets)
	clear(r.raw)
}

// Reads returns the reads so far, each as "id label".
func (r *Reader) Reads() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.reads...)
}

// Count returns the number of reads so far.
func (r *Reader) Count() int { return len(r.Reads()) }

// GetSecretValue reads by label only, as the caller's role allows nothing else. An answer is that of the moment when
// the request arrives.
func (r *Reader) GetSecretValue(
	ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	if in.VersionStage == nil || in.VersionId != nil {
		r.t.Errorf("a read without a stage, or by version: %+v", in)
		return nil, errors.New("denied by the caller's role")
	}
	r.mu.Lock()
	out, err := r.read(in)
	took, fault := r.Took, r.Panics
	r.mu.Unlock()
	if fault != nil {
		panic(fault) //nolint:forbidigo // what a library may do
	}
	if took > 0 {
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, err
}

func (r *Reader) read(in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
	id := aws.ToString(in.SecretId)
	key := id + " " + aws.ToString(in.VersionStage)
	r.reads = append(r.reads, key)
	switch {
	case r.First != nil && len(r.reads) == 1:
		return nil, r.First
	case r.Err != nil:
		return nil, r.Err
	case r.raw[key] != nil:
		return r.raw[key], nil
	case r.secrets[id] == nil:
		return nil, &types.ResourceNotFoundException{
			Message: aws.String("Secrets Manager can't find the specified secret."),
		}
	}
	return r.secrets[id].Get(in)
}
