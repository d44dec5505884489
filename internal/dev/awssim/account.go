package awssim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
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

	mu        sync.Mutex
	roles     map[string]iam.Role     // by ARN
	resources map[string]iam.Resource // policies of queues, topics, keys, functions, and of the trust in roles: by ARN
	keys      map[string]string       // access key → ARN of its role
	ids       uint64
	decisions map[string]iam.Decision // by what they print; nil: none is kept
}

// trust is what the name of a role's trust policy ends with.
const trust = ":trust"

func newAccount(a notify.Account, seed uint64, light bool) *account {
	made := &account{
		Account: a, seed: seed, roles: map[string]iam.Role{}, resources: map[string]iam.Resource{}, keys: map[string]string{},
	}
	if !light {
		made.decisions = map[string]iam.Decision{}
	}
	return made
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

// putPolicy adds a policy document to those of a resource, by its ARN.
func (a *account) putPolicy(arn string, document any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	policy, err := a.resources[arn].With(document)
	a.resources[arn] = policy
	return err
}

// policy returns the policy of a resource by its ARN; one that has none allows nothing.
func (a *account) policy(arn string) iam.Resource {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resources[arn]
}

// allows reports whether a role, by its ARN, may do an action.
func (a *account) allows(role, action, resource string, context iam.Context) bool {
	found, _ := a.role(role) // the zero Role allows nothing
	q := iam.Question{Action: action, Resource: resource, Context: context}
	return a.decided(role, q, found.Answer(q)) == iam.Allowed
}

// asks returns what the policy of a resource, by its ARN, says.
func (a *account) asks(arn string, q iam.Question) iam.Verdict {
	return a.decided(arn, q, a.policy(arn).Answer(q))
}

// assumes reports whether a service may act as a role, on behalf of the resource with the ARN source.
func (a *account) assumes(service, role, source string) bool {
	q := iam.Question{Principal: service, Action: "sts:AssumeRole", Resource: role}
	if source != "" {
		q.Context = iam.Context{"aws:sourceaccount": {a.ID}, "aws:sourcearn": {source}}
	}
	return a.asks(role+trust, q) == iam.Allowed
}

// decided keeps a decision, and returns its verdict.
func (a *account) decided(policy string, q iam.Question, verdict iam.Verdict) iam.Verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.decisions != nil {
		d := iam.Decision{Policy: policy, Question: q, Verdict: verdict}
		a.decisions[fmt.Sprint(d)] = d
	}
	return verdict
}

// allDecisions returns each question that a policy of the account was asked so far, once, with the answer.
func (a *account) allDecisions() []iam.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []iam.Decision
	for _, key := range slices.Sorted(maps.Keys(a.decisions)) {
		list = append(list, a.decisions[key])
	}
	return list
}

// policies returns the policies of the account by the names that its decisions have for them.
func (a *account) policies() map[string]iam.Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]iam.Policy{}
	for arn, role := range a.roles {
		all[arn] = role.Policy
	}
	for arn, resource := range a.resources {
		all[arn] = resource.Policy
	}
	return all
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
	if !a.allows(arn, access.Action, access.Resource, access.Context) {
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
