package token

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
	"github.com/cronbearer/cronbearer/internal/oauth"
)

const (
	defaultIdentityLifetime = 5 * time.Minute
	maxAudiences            = 10 // of one request (GetWebIdentityToken)
)

// awsIdentity reads what is requested of AWS STS. Each audience must be in the template's IdentityAudiences as well:
// the role's policy allows no other (condition key sts:IdentityTokenAudience). RS256 is the default because more
// verifiers know it; an Application Load Balancer verifies nothing else (Elastic Load Balancing User Guide, "Verify
// JWTs").
func (p *secretParser) awsIdentity(object jsondoc.Value) *oauth.AWSIdentity {
	const where = "aws_identity."
	f := jsondoc.NewFields(object, where, true, &p.problems)
	before := len(p.problems)
	i := &oauth.AWSIdentity{
		Audiences: p.strings(f, where, "audience"),
		Algorithm: p.oneOf(f.String("algorithm"), where+"algorithm", "RS256", "ES384"),
		Lifetime:  p.lifetime(f, where, defaultIdentityLifetime),
	}
	switch n := len(i.Audiences); {
	case n == 0 && len(p.problems) == before:
		p.problems.Addf(
			"aws_identity.audience is missing: whom the JWT is for; it must be in parameter IdentityAudiences as well",
		)
	case n > maxAudiences:
		p.problems.Addf("aws_identity.audience must be at most %d audiences", maxAudiences)
	}
	return i
}
