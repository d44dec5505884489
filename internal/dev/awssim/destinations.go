package awssim

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// destinations call the API destinations that rules have as targets, by real HTTPS on this machine, and retry on the
// virtual clock. What cannot be delivered goes to the target's dead-letter queue. Safe for concurrent use.
type destinations struct {
	account  *account
	timeline *timeline
	hosts    *hosts
	queues   *queues
	journal  *journal
	client   *http.Client

	mu          sync.Mutex
	connections map[string]*notify.Connection  // by ARN
	byARN       map[string]*notify.Destination // by ARN
}

func newDestinations(a *account, t *timeline, h *hosts, q *queues, j *journal) *destinations {
	return &destinations{
		account: a, timeline: t, hosts: h, queues: q, journal: j, connections: map[string]*notify.Connection{},
		byARN: map[string]*notify.Destination{},
		client: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig:   &tls.Config{RootCAs: h.authority.Pool(), MinVersion: tls.VersionTLS12},
				DisableKeepAlives: true, // "Connection: close"
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (d *destinations) connection(arn string) *notify.Connection {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connections[arn]
}

func (d *destinations) addConnection(arn string, c *notify.Connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.connections[arn] = c
}

func (d *destinations) add(destination *notify.Destination) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byARN[destination.ARN] = destination
}

// find returns a destination by its ARN; nil if there is none.
func (d *destinations) find(arn string) *notify.Destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byARN[arn]
}

// isDestination reports whether a target is an API destination.
func isDestination(arn string) bool { return strings.Contains(arn, ":api-destination/") }

// deliver makes a rule's call, and plans the next if that is worth trying. Retries have no effect on the target's
// order: a later event may arrive first.
func (d *destinations) deliver(ctx context.Context, rule string, m notify.Outgoing, event map[string]any, retries int) {
	outcome := d.call(ctx, rule, m)
	if outcome.Code == "" {
		return
	}
	next := d.timeline.Now().Add(max(backOff(retries), outcome.After))
	condition := ""
	switch {
	case outcome.Retry && retries >= m.MaxRetries:
		condition = "MaximumRetryAttempts"
	case outcome.Retry && next.Sub(m.At) > m.MaxAge:
		condition = "MaximumEventAgeInSeconds"
	case outcome.Retry:
		d.timeline.At(next, func(ctx context.Context) { d.deliver(ctx, rule, m, event, retries+1) })
		return
	}
	d.keep(rule, m, event, map[string]string{
		"ERROR_CODE": outcome.Code, "ERROR_MESSAGE": outcome.Message, "RETRY_ATTEMPTS": strconv.Itoa(retries),
		"EXHAUSTED_RETRY_CONDITION": condition,
	})
}

// backOff is exponential. AWS's has jitter, and is not documented further.
func backOff(retries int) time.Duration { return min(time.Second<<min(retries, 9), 5*time.Minute) }

func (d *destinations) call(ctx context.Context, rule string, m notify.Outgoing) notify.Outcome {
	destination := d.find(m.Topic)
	switch {
	case destination == nil:
		return notify.Outcome{Code: "NO_RESOURCE", Message: m.Topic + " does not exist"}
	case !d.account.assumes(notify.EventBridge, m.Role, rule):
		return notify.Outcome{Code: "NO_PERMISSIONS", Message: "EventBridge may not assume " + m.Role + " for " + rule}
	case !d.account.allows(m.Role, "events:InvokeApiDestination", m.Topic, nil):
		return notify.Outcome{Code: "NO_PERMISSIONS", Message: m.Role + " may not call " + m.Topic + " for " + rule}
	}
	return destination.Call(ctx, d.client, d.hosts.Local, m.Body)
}

// keep puts an event that could not be delivered into its dead-letter queue, as it was before the input transformer.
func (d *destinations) keep(rule string, m notify.Outgoing, event map[string]any, attributes map[string]string) {
	attributes["RULE_ARN"], attributes["TARGET_ARN"] = rule, m.Topic
	for name, value := range attributes {
		if value == "" {
			delete(attributes, name)
		}
	}
	body, err := json.Marshal(event)
	if err == nil {
		err = d.queues.sendFrom(notify.EventBridge, rule, m.DeadLetters, string(body), attributes)
	}
	if err != nil {
		d.journal.lost(fmt.Errorf("an event of %s is lost: %s: %w", rule, attributes["ERROR_MESSAGE"], err))
	}
}

// dynamic is a dynamic reference to a secret (CloudFormation User Guide, "Get values stored in other services").
var dynamic = regexp.MustCompile(`\{\{resolve:secretsmanager:(arn:[^:]+:[^:]+:[^:]+:[^:]+:[^:]+:[^:}]+|[^:}]+)` +
	`(?::SecretString(?::([^:}]*))?)?\}\}`)

// resolved returns resolved properties with the values of secrets in place of dynamic references.
func resolved(v any, secrets *secretsmanager.Store) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		text := dynamic.ReplaceAllStringFunc(v, func(reference string) string {
			parts := dynamic.FindStringSubmatch(reference)
			value, problem := secretValue(secrets, parts[1], parts[2])
			if problem != nil {
				err = problem
			}
			return value
		})
		if err == nil && strings.Contains(text, "{{resolve:") {
			err = fmt.Errorf("this model cannot resolve %s", text)
		}
		return text, err
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var problem error
			if list[i], problem = resolved(v[i], secrets); problem != nil {
				err = problem
			}
		}
		return list, err
	case map[string]any:
		object := map[string]any{}
		for name := range v {
			var problem error
			if object[name], problem = resolved(v[name], secrets); problem != nil {
				err = problem
			}
		}
		return object, err
	}
	return v, nil
}

// secretValue is the text of a secret, or a member of it.
func secretValue(secrets *secretsmanager.Store, id, member string) (string, error) {
	text, ok := secrets.Value(id, "AWSCURRENT")
	if !ok {
		return "", fmt.Errorf("secret %s does not exist", id)
	}
	if member == "" {
		return text, nil
	}
	var object map[string]string
	if err := json.Unmarshal([]byte(text), &object); err != nil || object[member] == "" {
		return "", fmt.Errorf("secret %s has no member %s, or is no object of texts", id, member)
	}
	return object[member], nil
}
