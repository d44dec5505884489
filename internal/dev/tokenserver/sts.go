package tokenserver

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// STS is AWS's STS as an oauth.IdentityProvider, in the process. Each JWT is another one.
type STS struct {
	Now    func() time.Time
	Errs   []error  // by request; nil and beyond: a JWT
	Odd    string   // in place of a JWT
	Asked  []string // audiences, algorithm and lifetime of each request
	Tokens []string // issued
}

// Host is the name in errors.
func (s *STS) Host() string { return "sts.eu-west-1.amazonaws.com" }

// WebIdentityToken answers one request.
func (s *STS) WebIdentityToken(
	_ context.Context, audiences []string, algorithm string, lifetime time.Duration,
) (string, error) {
	n := len(s.Asked)
	s.Asked = append(s.Asked, fmt.Sprintf("%s %s %s", strings.Join(audiences, ","), algorithm, lifetime))
	if n < len(s.Errs) && s.Errs[n] != nil {
		return "", s.Errs[n]
	}
	if s.Odd != "" {
		return s.Odd, nil
	}
	token := JWT(fmt.Sprintf(`{"exp":%d,"jti":"identity-3f9a7c51e2d84b60-%d"}`, s.Now().Add(lifetime).Unix(), n))
	s.Tokens = append(s.Tokens, token)
	return token, nil
}
