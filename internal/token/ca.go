package token

import (
	"errors"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/keys"
)

// ca reads the certificates that are trusted in addition to the system's, for the calls of this secret only. nil: none.
func (p *secretParser) ca(f *jsondoc.Fields) *egress.CA {
	v, ok := f.Any("ca")
	if !ok {
		return nil
	}
	ca, err := readCA(v)
	if err != nil {
		p.problems.Addf("ca %s", err)
	}
	return ca
}

// readCA leaves the member's name to its callers, as the same text is a problem of one and a warning of the other.
func readCA(v jsondoc.Value) (*egress.CA, error) {
	if v.Kind != jsondoc.String {
		return nil, errors.New("must be a string of PEM certificates, not " + v.Kind.String())
	}
	certificates, err := keys.Certificates(v.Text)
	if err != nil {
		return nil, err
	}
	return egress.NewCA(certificates), nil
}
