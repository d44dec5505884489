package awssim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// account is who may do what: the roles and the access keys that stand for them, the ARNs of everything in the account,
// and its request ids. Safe for concurrent use.
type account struct {
	notify.Account

	seed uint64

	mu    sync.Mutex
	roles map[string]iam.Role // by ARN
	keys  map[string]string   // access key → ARN of its role
	ids   uint64
}

func newAccount(a notify.Account, seed uint64) *account {
	return &account{Account: a, seed: seed, roles: map[string]iam.Role{}, keys: map[string]string{}}
}

func (a *account) arn(service, rest string) string {
	return strings.Join([]string{"arn", a.Partition, service, a.Region, a.ID, rest}, ":")
}

func (a *account) roleARN(name string) string {
	return "arn:" + a.Partition + ":iam::" + a.ID + ":role/" + name
}

func (a *account) putRole(arn string, role iam.Role) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles[arn] = role
}

// role returns a role by its ARN, and false if the account has none.
func (a *account) role(arn string) (iam.Role, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	role, ok := a.roles[arn]
	return role, ok
}

// amend adds a policy document to a role. The function it returns restores the role as it was before.
func (a *account) amend(arn string, document any) (restore func(), err error) {
	before, ok := a.role(arn)
	if !ok {
		return nil, fmt.Errorf("role %s does not exist", arn)
	}
	amended, err := before.With(document)
	if err != nil {
		return nil, err
	}
	a.putRole(arn, amended)
	return func() { a.putRole(arn, before) }, nil
}

// allows reports whether a role, by its ARN, may do an action.
func (a *account) allows(role, action, resource string) bool {
	found, _ := a.role(role) // the zero Role allows nothing
	return found.Allows(action, resource, nil)
}

// issueKey lets an access key stand for a role.
func (a *account) issueKey(key, role string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[key] = role
}

// principal returns the ARN of the role that an access key stands for; "" if it stands for none.
func (a *account) principal(accessKey string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[accessKey]
}

// authorize is an api.Authorizer: it asks the role that the access key stands for.
func (a *account) authorize(accessKey string, access api.Access) *api.Error {
	arn := a.principal(accessKey)
	if arn == "" {
		return &api.Error{
			Status: 403, Code: "UnrecognizedClientException",
			Message: "The security token included in the request is invalid.",
		}
	}
	if role, _ := a.role(arn); !role.Allows(access.Action, access.Resource, access.Context) {
		return api.Reject("AccessDeniedException",
			"%s is not authorized to perform: %s on resource: %s because no identity-based policy allows the action",
			arn, access.Action, access.Resource)
	}
	return nil
}

// newID returns the next request id. The sequence depends only on the seed.
func (a *account) newID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", a.seed, a.ids))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}
