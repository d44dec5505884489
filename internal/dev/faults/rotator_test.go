package faults_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/secretsmanager"
)

// renewals are the secrets that the rotator renews.
func renewals() []kind {
	renewed := func(name string, tested bool, members func(t *testing.T, w *world) object) kind {
		return kind{name: name, mints: true, secret: func(t *testing.T, w *world, _ map[string]any) (any, map[string]any) {
			t.Helper()
			document := object{"token": w.canary("access token"), "expires_at": time.Now().Add(time.Hour).Format(time.RFC3339)}
			maps.Copy(document, members(t, w))
			if tested {
				document["test"] = "GET https://" + w.target.address + "/v1/me"
			}
			return document, nil
		}}
	}
	refreshed := func(name string, tested bool, members func(t *testing.T, w *world) object) kind {
		return renewed(name, tested, func(t *testing.T, w *world) object {
			t.Helper()
			oauth := object{
				"grant": "refresh_token", "token_url": "https://" + w.issuer.address + "/token", "client_id": "client",
				"refresh_token": w.canary("refresh token"),
			}
			maps.Copy(oauth, members(t, w))
			return object{"oauth2": oauth}
		})
	}
	return []kind{
		refreshed("refresh token, basic", true, func(_ *testing.T, w *world) object {
			return object{"client_secret": w.canary("client secret")}
		}),
		renewed(rotateCall, true, func(_ *testing.T, w *world) object {
			return object{"rotate": object{
				"call": "POST https://" + w.issuer.address + "/rotate", "token": "/token", "expires_at": "/expires_at",
				"headers": object{"X-Api-Key": w.canary("key of a header")}, "body": object{"name": "cron-{{runId}}"},
			}}
		}),
		refreshed("refresh token, private_key_jwt", false, func(t *testing.T, w *world) object {
			t.Helper()
			return object{"auth": "private_key_jwt", "algorithm": "ES256", "private_key": w.privateKey(t)}
		}),
		refreshed("refresh token, JSON body", false, func(_ *testing.T, w *world) object {
			return object{"auth": "body", "format": "json", "client_secret": w.canary("client secret")}
		}),
	}
}

const rotateCall = "call"

// tested are those with a test.
func tested() []kind { return renewals()[:2] }

// rotation is one fault on one rotation.
type rotation struct {
	breakage

	name  string
	where func(*world) *door
	only  func(*http.Request, []byte) bool
	kind  kind
	// finishes: the fault prevents nothing. Else the rotation fails, or perhaps not if it may.
	finishes, may bool
	// answered: the issuer gave what may be a new token and cannot be read. Its call must not be repeated.
	answered bool
	refused  bool // the issuer says no
	data     fate // of the metric
}

func (r rotation) String() string { return r.name + "/" + r.kind.name }

const stepTime = 7 * time.Second

// rotateStep is a secretsmanager.Rotate.
func (w *world) rotateStep(_ context.Context, _ string, event secretsmanager.RotationEvent) error {
	r := w.invoke(w.t, event, cmp.Or(w.stepTime, stepTime)) //nolint:contextcheck // the test's own
	w.steps = append(w.steps, r)
	if r.Failed {
		return errors.New(r.ErrorType + ": " + r.Message)
	}
	return nil
}

// rotate runs one rotation, or the rest of one, and returns its error.
func (w *world) rotate(t *testing.T, name string) error {
	t.Helper()
	w.t, w.steps = t, nil
	before := len(w.store.Rotations())
	_ = w.store.RotateSecret(t.Context(), prefix+name) // a rotation that is not complete is repeated, and says so
	all := w.store.Rotations()
	if len(all) == before {
		t.Fatal("no rotation was started")
	}
	return all[len(all)-1].Err
}

// renewed reports whether a secret holds a token and the refresh token that the issuer gave with it.
func (w *world) renewed(t *testing.T, name string) bool {
	t.Helper()
	text, _ := w.store.Value(prefix+name, secretsmanager.Current)
	var document struct {
		Token  string
		OAuth2 *struct {
			RefreshToken string `json:"refresh_token"`
		}
	}
	must(t, json.Unmarshal([]byte(text), &document))
	w.mu.Lock()
	defer w.mu.Unlock()
	refresh, ok := w.issued[document.Token]
	return ok && (document.OAuth2 == nil || document.OAuth2.RefreshToken == refresh)
}

// renewable stores a secret that is rotated.
func (w *world) renewable(t *testing.T, k kind) string {
	t.Helper()
	w.made++
	name := fmt.Sprintf("renewed-%d", w.made)
	document, _ := k.secret(t, w, nil)
	w.put(t, name, document)
	must(t, w.store.EnableRotation(prefix+name, functionARN))
	return name
}

// finish rotates a secret until it is renewed: one rotation that is given up, and one that starts from what was kept.
func (w *world) finish(t *testing.T, name string) {
	t.Helper()
	var err error
	for range 3 {
		if err = w.rotate(t, name); err == nil && w.renewed(t, name) {
			return
		}
	}
	t.Fatalf("the fault is over, and it is not renewed: %.3000v", err)
}

// tryRotation rotates a secret under the fault, and again when it is over: then it is renewed.
func tryRotation(t *testing.T, w *world, c rotation) {
	t.Helper()
	name := w.renewable(t, c.kind)
	w.turnClock(t, 0)
	door := c.where(w)
	door.smash(c.breakage, c.only)
	err := w.rotate(t, name)
	hits := door.heal()
	if hits == 0 {
		t.Error(errNoHit)
	}
	if door == w.issuer && hits > 1 {
		t.Errorf("the credential was sent %d times within one step", hits)
	}
	w.checkRotation(t, c, name, err)
	if err == nil && c.finishes {
		if !w.renewed(t, name) {
			t.Error("it finished without a new token")
		}
		return
	}
	if c.answered && c.kind.name == rotateCall || c.refused {
		document, _ := c.kind.secret(t, w, nil) // only an operator knows what the provider thinks now
		w.put(t, name, document)
	}
	w.turnClock(t, 2*time.Minute) // until then the rotator that failed may still be at work
	w.finish(t, name)
	stored, embedded := w.published(run{}, "Secret", name)
	if failed, ok := stored["RotationFailed"]; !ok || failed != 0 || len(embedded) > 0 {
		t.Errorf("after a rotation that is finished: %v %v", stored, embedded)
	}
}

// checkRotation compares a rotation under a fault with what it should have been.
func (w *world) checkRotation(t *testing.T, c rotation, name string, err error) {
	t.Helper()
	last := w.steps[len(w.steps)-1]
	switch {
	case err != nil && c.finishes:
		t.Errorf("it failed: %.3000v", err)
	case err == nil && !c.finishes && !c.may:
		t.Error("it finished, although it cannot have worked")
	}
	types := []string{"RotationFailedError", "RotationRefusedError", "ReauthorizationRequiredError"}
	if last.Failed && !slices.Contains(types, last.ErrorType) {
		t.Errorf("error %s: %.2000s", last.ErrorType, last.Message)
	}
	var all run
	for _, s := range w.steps {
		all.stdout += s.stdout
	}
	stored, embedded := w.published(all, "Secret", name)
	want := map[bool]float64{true: 1}[last.Failed]
	got, ok := stored["RotationFailed"]
	if c.data == lost {
		got, ok = embedded["RotationFailed"]
	}
	// What is refused, and what fails before the rotation is known to be ours, publishes nothing.
	silent := last.ErrorType == "RotationRefusedError" || strings.Contains(last.Message, "could not be described") ||
		c.data == accepted
	switch {
	case ok && got != want:
		t.Errorf("the metric is %v, want %v", got, want)
	case !ok && !silent && (last.Failed || err == nil):
		t.Errorf("no metric of %.1000s", last.Message)
	}
}

func tryAll(t *testing.T, list []rotation, kinds []kind) {
	t.Helper()
	var chosen []rotation
	for i, c := range list {
		if !*everything {
			c.kind = kinds[(i+i/len(kinds))%len(kinds)]
			chosen = append(chosen, c)
			continue
		}
		for _, c.kind = range kinds {
			chosen = append(chosen, c)
		}
	}
	worlds(t, "rotator", chosen, rotation.String, tryRotation)
}

// TestFaultsOfSecretsManagerInARotation: whatever it answers to any of the rotator's operations, the token that the
// provider gave is not lost, and the rotation is finished when the fault is over.
func TestFaultsOfSecretsManagerInARotation(t *testing.T) {
	t.Parallel()
	operations := []string{"DescribeSecret", "GetSecretValue", "UpdateSecretVersionStage", "PutSecretValue"}
	var list []rotation
	for at, operation := range operations {
		add := func(name string, b breakage) {
			list = append(list, rotation{
				breakage: b, name: operation + ", " + name, where: (*world).atSecrets, only: of(operation), may: true,
			})
		}
		// What a provider gave is stored for as long as there is time, so that each of these takes all of it.
		every, storing := 1, operation == "PutSecretValue"
		if storing {
			every = 8
		}
		for i, code := range codes(t, "secretsmanager") {
			if *everything || i%len(operations) == at && i%every <= at {
				add(code, breakage{serve: asJSON(code, "It failed. "+strings.Repeat("why, ", 1000))})
			}
		}
		for i, b := range share(slices.Concat(broken(t), odd()), secretsInRotation) {
			if *everything || i%len(operations) == at {
				add(b.name, b.breakage)
			}
		}
		for i, body := range []string{
			"", "null", "[]", "{}", `{"VersionIdsToStages":null}`, `{"VersionIdsToStages":{"a":null}}`, `{"ARN":1}`,
			`{"VersionId":"` + strings.Repeat("v", 900<<10) + `"}`, strings.Repeat("[", 100000),
			`{"Name":"other","ARN":"arn:aws:secretsmanager:eu-west-1:1:secret:other-AbCdEf","RotationEnabled":true}`,
		} {
			if *everything || i%len(operations) == at {
				add(fmt.Sprintf("200 with %.40s", body), breakage{serve: answers(200, body)})
			}
		}
		add("echo", breakage{serve: echoOfAWS(asJSON)})
	}
	tryAll(t, list, renewals())
}

// TestFaultsOfTheIssuerInARotation: a credential is sent once within a step, and what the provider gave is not lost.
func TestFaultsOfTheIssuerInARotation(t *testing.T) {
	t.Parallel()
	var list []rotation
	add := func(b named) {
		list = append(list, rotation{
			breakage: b.breakage, name: b.name, where: (*world).atIssuer,
			answered: b.gives != nothing && b.status < 300,
			refused:  400 <= b.status && b.status <= 499,
		})
	}
	for _, b := range share(slices.Concat(broken(t), odd()), issuerInRotation) {
		add(b)
	}
	ways := encodings()
	for _, way := range share(sorted(ways), issuerInRotation) {
		encode := ways[way]
		add(named{name: "echo, " + way, gives: whole, status: 400, breakage: breakage{serve: echoOfIssuer(400, encode)}})
	}
	tryAll(t, list, renewals())
}

// TestFaultsOfTheTestInARotation: a new token that cannot be tried is not made current before its time, and not lost.
func TestFaultsOfTheTestInARotation(t *testing.T) {
	t.Parallel()
	var list []rotation
	for _, b := range share(slices.Concat(broken(t), odd()), testInRotation) { // each takes all of its step's time
		good := b.gives != nothing && b.status < 300
		list = append(list, rotation{
			breakage: b.breakage, name: b.name, where: (*world).atTarget, finishes: good,
		})
	}
	tryAll(t, list, tested())
}

// TestFaultsOfCloudWatchInARotation: reporting changes nothing, and what is not stored is in the log.
func TestFaultsOfCloudWatchInARotation(t *testing.T) {
	t.Parallel()
	var list []rotation
	add := func(name string, b breakage, data fate) {
		list = append(list, rotation{breakage: b, name: name, where: (*world).atMetrics, finishes: true, data: data})
	}
	for _, code := range share(codes(t, "cloudwatch"), metricsInRotation) {
		add(code, breakage{serve: asCBOR(code, "It failed. ")}, lost)
	}
	for _, b := range share(slices.Concat(broken(t), odd()), metricsInRotation) {
		data := lost
		if b.unasked || b.gives == whole && b.status < 300 && strings.HasPrefix(b.name, "status") {
			data = accepted
		}
		add(b.name, b.breakage, data)
	}
	tryAll(t, list, renewals())
}
