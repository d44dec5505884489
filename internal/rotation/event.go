package rotation

import (
	"strings"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

// Step is one of the four that Secrets Manager calls for, in this order.
type Step string

// The steps. The user guide uses both spellings: createSecret ("Lambda rotation functions") and create_secret
// ("Rotation function").
const (
	CreateSecret Step = "createSecret"
	SetSecret    Step = "setSecret"
	TestSecret   Step = "testSecret"
	FinishSecret Step = "finishSecret"
)

// Lengths that Secrets Manager itself allows (API Reference, RotateSecret). They keep a forged event from filling the
// log.
const (
	maxSecretID = 2048
	maxVersion  = 64
)

var steps = map[string]Step{
	"createSecret": CreateSecret, "create_secret": CreateSecret,
	"setSecret": SetSecret, "set_secret": SetSecret,
	"testSecret": TestSecret, "test_secret": TestSecret,
	"finishSecret": FinishSecret, "finish_secret": FinishSecret,
}

// Event is what Secrets Manager sends. Anyone with permission to invoke the function can send one, so nothing in it is
// trusted.
type Event struct {
	Step          Step
	SecretID      string
	Version       string // ClientRequestToken, the id of the version that will become current
	RotationToken string // sent back with PutSecretValue; equivalent to a password
}

// parseEvent reads an event. Unknown keys are ignored: RotationToken was added years after the first event, and a
// rotation must not fail because of another one. The event returned with an error has what could be read.
func parseEvent(data []byte) (Event, error) {
	var problems jsondoc.Problems
	doc, duplicates, err := jsondoc.Parse(data)
	switch {
	case err != nil:
		return Event{}, refused("the event is %s", err)
	case doc.Kind != jsondoc.Object:
		return Event{}, refused("the event must be an object, not %s", doc.Kind)
	case len(duplicates) > 0:
		return Event{}, refused("the event has a duplicate key, at byte %d", duplicates[0].Offset)
	}
	f := jsondoc.NewFields(doc, "", true, &problems)
	name := f.Required("Step", "createSecret, setSecret, testSecret or finishSecret")
	e := Event{
		Step:          steps[name],
		SecretID:      f.Required("SecretId", "the ARN of a secret"),
		Version:       f.Required("ClientRequestToken", "the id of the pending version"),
		RotationToken: f.String("RotationToken"),
	}
	if name != "" && e.Step == "" {
		problems.Addf("Step must be createSecret, setSecret, testSecret or finishSecret")
	}
	if len(e.SecretID) > maxSecretID {
		problems.Addf("SecretId is longer than %d bytes", maxSecretID)
		e.SecretID = ""
	}
	if len(e.Version) > maxVersion {
		problems.Addf("ClientRequestToken is longer than %d bytes", maxVersion)
		e.Version = ""
	}
	if len(problems) > 0 {
		return e, refused("the event is invalid: %s", strings.Join(problems, "; "))
	}
	return e, nil
}
