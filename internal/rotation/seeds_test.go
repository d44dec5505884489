package rotation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/cronbearer/cronbearer/internal/rotation"
)

// tally counts what happened in all seeds.
type tally struct {
	rotations, steps, killed, edits, commands, posts, kept, merged, givenUp int
	// why a grant could not be stored
	lost         map[string]int
	reauthorized int
}

// chaos is one seed's world: whatever can go wrong goes wrong in it, at random moments.
type chaos struct {
	*world

	t      *testing.T
	seed   uint64
	random *rand.Rand
	tally  *tally
	rotate bool // the kind of secret

	spoiled    bool            // processes are killed, Secrets Manager fails, and an operator edits
	trouble    string          // with the provider; empty: none
	stored     map[string]bool // credentials whose grant is stored
	answerLost bool            // by the network, in this step
	posted     map[string]int  // credentials posted in this step
	excused    bool            // a grant was lost, not by the rotator
	last       error
}

// TestNoCredentialIsLost runs 1,000 seeded secrets through rotations with outages of the provider, of the test target
// and of Secrets Manager, odd and lost answers, edits by an operator and kills at every request. After each step
// everything that the provider granted must be in Secrets Manager, unless the process was killed, the answer was lost,
// or Secrets Manager was down until the step's time was up; no credential is posted twice in a step, nor after its
// grant was stored; and the commands of every error, carried out to the letter, lose nothing. At the end AWSCURRENT
// must be honoured.
func TestNoCredentialIsLost(t *testing.T) {
	t.Parallel()
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	total := &tally{lost: map[string]int{}}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			c := &chaos{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 12)), tally: total, rotate: seed%5 == 4}
			c.run()
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rotations of %d secrets finished in %d steps: %d processes killed, %d edits, %d commands carried out, "+
		"%d credentials posted, "+
		"%d answers kept, %d merged, %d abandoned; grants that no one could store: %v, after which %d times an operator "+
		"re-authorized",
		total.rotations, seeds, total.steps, total.killed, total.edits, total.commands, total.posts, total.kept, total.merged,
		total.givenUp, total.lost, total.reauthorized)
	lost := 0
	for _, n := range total.lost {
		lost += n
	}
	if total.reauthorized > lost {
		t.Errorf("%d grants could not be stored, and %d times an operator had to re-authorize", lost, total.reauthorized)
	}
	if total.kept == 0 || total.merged == 0 || total.givenUp == 0 || total.reauthorized == 0 || len(total.lost) < 3 {
		t.Error("something that must be tried did not happen")
	}
}

func (c *chaos) secret(access, refresh string) string {
	if c.rotate {
		return strings.Replace(rotatable(access, refresh), "{", `{"test":"GET https://id.example.com/test",`, 1)
	}
	return refreshable(access, refresh)
}

func (c *chaos) run() {
	c.world, c.stored = newWorld(c.t, c.secret), map[string]bool{}
	c.provider.answer, c.provider.before = c.answer, c.before
	for range 3 {
		c.until(func() { c.spoil(0.4) }, 8)
	}
	c.until(func() { c.spoiled, c.trouble, c.provider.test = false, "", 0 }, 40)
	if c.last != nil {
		c.t.Fatalf("seed %d: no repetition leaves this state: %v", c.seed, c.last)
	}
	if credential := c.credential(c.sm.Value(current)); !c.honours(credential) {
		c.t.Fatalf("seed %d: AWSCURRENT is dead: %s", c.seed, credential)
	}
	if left := ours(c.sm); len(left) > 2 {
		c.t.Errorf("seed %d: labels are left: %v", c.seed, left)
	}
}

// until repeats a rotation, as Secrets Manager does, until it is finished.
func (c *chaos) until(prepare func(), tries int) {
	for range tries {
		prepare()
		if c.last = c.attempt(); c.last == nil {
			c.tally.rotations++
			time.Sleep(30 * time.Minute)
			return
		}
		c.obey(c.last)
		c.provider.test = 0
		time.Sleep(time.Duration(1+c.random.IntN(20)) * time.Minute)
	}
}

// attempt runs the four steps, each in a process that may be killed, with an operator between them.
func (c *chaos) attempt() error {
	version := c.sm.Rotate()
	for _, step := range []rotation.Step{
		rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret,
	} {
		if _, err := c.step(step, version); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		if c.spoiled && c.random.IntN(8) == 0 {
			c.edit()
		}
	}
	return nil
}

func (c *chaos) step(step rotation.Step, version string) (string, error) {
	granted := len(c.provider.granted)
	c.answerLost, c.posted = false, map[string]int{}
	p := c.start()
	defer p.close()
	if c.spoiled && c.random.IntN(4) == 0 {
		p.dieAt = 1 + c.random.Int32N(40)
	}
	if c.spoiled && c.random.IntN(3) == 0 {
		c.breakSecretsManager(p)
	}
	got, err := p.invoke(event(step, version))
	c.tally.steps++
	c.count(got, err)
	for i, credential := range c.provider.granted[granted:] {
		if c.holds(credential) {
			c.stored[c.provider.spent[granted+i]] = true
			continue
		}
		switch {
		case errors.Is(err, errDied):
			c.tally.lost["the process was killed"]++
		case c.answerLost:
			c.tally.lost["the answer was lost"]++
		case err != nil && strings.Contains(err.Error(), "lost"):
			c.tally.lost["Secrets Manager was down until the time was up"]++
		default:
			c.t.Fatalf("seed %d: %s finished without the provider's answer: %v", c.seed, step, err)
		}
		c.excused = true
	}
	for credential, times := range c.posted {
		if times > 1 {
			c.t.Fatalf("seed %d: %s posted %s %d times", c.seed, step, credential, times)
		}
	}
	return got, err
}

func (c *chaos) count(got string, err error) {
	switch {
	case errors.Is(err, errDied):
		c.tally.killed++
	case err == nil && strings.Contains(got, "merged"):
		c.tally.merged++
	case err != nil && strings.Contains(err.Error(), "was abandoned"):
		c.tally.givenUp++
	case err != nil && strings.Contains(err.Error(), "is kept in version"):
		c.tally.kept++
	}
}

// spoil switches each kind of trouble on with a probability, for the next attempt.
func (c *chaos) spoil(probability float64) {
	c.spoiled = c.random.Float64() < 2*probability
	c.trouble = ""
	if c.random.Float64() < probability {
		c.trouble = []string{
			"503", "hang up before", "hang up after", "page", "mac", "nested", "cut off", "plain", "201", "no refresh token",
		}[c.random.IntN(10)]
	}
	c.provider.test = 0
	if c.random.Float64() < probability/2 {
		c.provider.test = []int{503, 403, 401}[c.random.IntN(3)]
	}
}

func (c *chaos) breakSecretsManager(p *process) {
	operations := []string{"", "PutSecretValue", "UpdateSecretVersionStage", "GetSecretValue", "DescribeSecret"}
	operation := operations[c.random.IntN(len(operations))]
	until := time.Now().Add([]time.Duration{time.Second, 20 * time.Second, time.Hour}[c.random.IntN(3)])
	fault := func(o string) error {
		if strings.HasPrefix(o, operation) && o != "PutMetricData" && time.Now().Before(until) {
			return &types.InternalServiceError{}
		}
		return nil
	}
	if c.random.IntN(2) == 0 {
		p.lost = fault // it was done
	} else {
		p.fault = fault
	}
}

// before is trouble that keeps the provider from seeing a request.
func (c *chaos) before(rw http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/test" {
		return false
	}
	credential := r.PostFormValue("refresh_token")
	if c.rotate {
		credential = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	c.tally.posts++
	c.posted[credential]++
	if c.stored[credential] {
		c.t.Errorf("seed %d: %s is posted again, and what it was exchanged for is stored", c.seed, credential)
	}
	switch c.trouble {
	case "503":
		reply(rw, http.StatusServiceUnavailable, nil)
	case "hang up before":
		panic(http.ErrAbortHandler)
	case "page":
		_, _ = io.WriteString(rw, "<html>Sign in</html>")
	default:
		return false
	}
	return true
}

// answer is trouble with an answer.
func (c *chaos) answer(rw http.ResponseWriter, body map[string]any) bool {
	fresh := c.provider.granted[len(c.provider.granted)-1]
	switch c.trouble {
	case "hang up after":
		c.answerLost = true
		panic(http.ErrAbortHandler)
	case "mac":
		body["token_type"] = "mac"
		if c.rotate {
			body["data"] = map[string]any{"token": fresh + " " + fresh}
		}
	case "nested":
		body["result"] = maps.Clone(body)
		delete(body, "access_token")
		delete(body, "refresh_token")
		delete(body, "data")
	case "cut off":
		_, _ = fmt.Fprintf(rw, `{"refresh_token":%q,"acc`, fresh)
		return true
	case "plain":
		_, _ = io.WriteString(rw, "refresh_token="+fresh)
		return true
	case "201":
		reply(rw, http.StatusCreated, body)
		return true
	}
	return false
}

// edit is what an operator does to a secret while it is renewed.
func (c *chaos) edit() {
	c.tally.edits++
	value := c.sm.Value(current)
	switch c.random.IntN(4) {
	case 0, 1:
		c.sm.PutByHand(
			regexp.MustCompile(`/test[?0-9]*"`).ReplaceAllString(value, fmt.Sprintf(`/test?%d"`, c.random.IntN(1000))),
		)
	case 2:
		c.sm.PutByHand(strings.Replace(value, `"client_id":"`, `"client_id":"x`, 1))
	case 3:
		c.sm.PutByHand(c.secret(c.provider.logIn()))
	}
}

// obey carries out the commands of an error to the letter. No live credential may be lost by that.
func (c *chaos) obey(err error) {
	text := err.Error()
	live := c.live()
	for _, command := range regexp.MustCompile(`aws secretsmanager ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		c.tally.commands++
		switch command[1] {
		case "put-secret-value":
			if alive := c.relatives(live); len(alive) > 0 || !c.excused {
				c.t.Errorf("seed %d: re-authorize is the advice, and %v is alive: %v", c.seed, alive, err)
			}
			c.tally.reauthorized++
			c.sm.PutByHand(c.secret(c.provider.logIn()))
			c.excused = false
		case "get-secret-value": // and store the whole secret with the token of the answer
			fresh := regexp.MustCompile(canary + `-access-\d+-[0-9a-f]+`).FindString(c.sm.Value(rotation.KeptLabel))
			if fresh == "" { // it was not an answer of the token endpoint
				c.sm.PutByHand(c.sm.Value(current))
				continue
			}
			c.sm.PutByHand(c.secret(fresh, ""))
		case "rotate-secret":
		default:
			c.t.Fatalf("seed %d: the command %s", c.seed, command[1])
		}
	}
	after := c.live()
	for _, credential := range live {
		if !slices.Contains(after, credential) {
			c.t.Errorf("seed %d: the advice loses %s: %v", c.seed, credential, err)
		}
	}
}

func (c *chaos) honours(credential string) bool {
	c.provider.mu.Lock()
	defer c.provider.mu.Unlock()
	return c.provider.live[credential] || c.rotate && c.provider.access[credential]
}

// live are the credentials that Secrets Manager holds on a labelled version and the server honours.
func (c *chaos) live() []string {
	var list []string
	for _, credential := range c.provider.granted {
		if c.holds(credential) && c.honours(credential) {
			list = append(list, credential)
		}
	}
	return list
}

// relatives are those of the credentials that came from the same authorization as AWSCURRENT's: an operator who
// replaced it does not want the ones of the authorization before.
func (c *chaos) relatives(credentials []string) []string {
	family := c.provider.family[c.credential(c.sm.Value(current))]
	return slices.DeleteFunc(slices.Clone(credentials), func(credential string) bool {
		return c.provider.family[credential] != family
	})
}

// holds reports whether a version with a label has a credential.
func (c *chaos) holds(credential string) bool {
	c.sm.Lock()
	defer c.sm.Unlock()
	for _, version := range c.sm.Labels {
		if value := c.sm.Values[version]; value != nil && strings.Contains(*value, credential) {
			return true
		}
	}
	return false
}

func (c *chaos) credential(text string) string {
	var secret struct {
		Token  string
		OAuth2 struct {
			RefreshToken string `json:"refresh_token"`
		} `json:"oauth2"`
	}
	if err := json.Unmarshal([]byte(text), &secret); err != nil {
		c.t.Fatal(err)
	}
	if c.rotate {
		return secret.Token
	}
	return secret.OAuth2.RefreshToken
}
