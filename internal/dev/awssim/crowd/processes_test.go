package crowd_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
	"github.com/cronbearer/cronbearer/internal/dev/idp"
	"github.com/cronbearer/cronbearer/internal/dev/upstream"
)

const (
	apiHost = "api.example.com"
	issuer  = "id.example.com"
	event   = `{"job":"HourlySync","token":"ExampleApi","secret":"example-api","call":"GET https://` + apiHost +
		`/v1/sync","attempts":1}`
)

// deployed is the real template with the real binaries.
func deployed(t *testing.T, oauth2 map[string]any) (*awssim.Cloud, *idp.Server) {
	t.Helper()
	cloud := awssimtest.Start(t, awssim.Options{NoStarts: true, Binaries: awssimtest.Binaries(t)})
	auth := idp.New(cloud.Now)
	must(t, auth.Register(idp.Client{ID: clientID, Auth: idp.AuthBasic, Secret: clientSecret}))
	must(t, cloud.Host(issuer, auth))
	cloud.Target(apiHost).Rule(func(q upstream.Request) (upstream.Answer, bool) {
		return upstream.OK, auth.Valid(q.Token)
	})
	value := map[string]any{"oauth2": oauth2}
	oauth2["token_url"], oauth2["client_id"], oauth2["client_secret"] = "https://"+issuer+
		idp.TokenPath, clientID, clientSecret
	if oauth2["grant"] == "refresh_token" {
		tokens, err := auth.LogIn(clientID, "")
		must(t, err)
		value["token"], oauth2["refresh_token"] = tokens.Access, tokens.Refresh
	}
	text, err := json.Marshal(value)
	must(t, err)
	_, err = cloud.PutSecret("example-api", string(text))
	must(t, err)
	return cloud, auth
}

// TestTenProcessesDuringRotations: ten real callers run while a real rotator rotates.
func TestTenProcessesDuringRotations(t *testing.T) {
	t.Parallel()
	const callers = 10
	rotations := 200
	if testing.Short() || awssimtest.RaceEnabled {
		rotations = 50
	}
	cloud, auth := deployed(t, map[string]any{"grant": "refresh_token"})
	_, err := cloud.AddRotation(
		filepath.Join(awssimtest.Root(), "infra", "rotation.yaml"), "example-api", "rate(30 minutes)",
	)
	must(t, err)
	var wg sync.WaitGroup
	starts := make(chan struct{}) // a few runs of each caller in a rotation
	for range callers {
		wg.Go(func() {
			for range starts {
				run, err := cloud.Invoke(t.Context(), "Caller", []byte(event))
				if err != nil || run.Failed {
					t.Errorf("%v %s", err, run.Message)
				}
				if n := run.Result.Attempts; n > 4 {
					t.Errorf("a run made %d calls", n)
				}
			}
		})
	}
	for range rotations {
		must(t, cloud.Advance(t.Context(), 15*time.Minute))
		var rotation sync.WaitGroup
		rotation.Go(func() {
			if err := cloud.Secrets.RotateSecret(t.Context(), cloud.SecretID("example-api")); err != nil {
				t.Error(err)
			}
		})
		for range callers {
			starts <- struct{}{}
		}
		rotation.Wait()
	}
	close(starts)
	wg.Wait()
	for _, r := range cloud.Secrets.Rotations() {
		if r.Err != nil {
			t.Errorf("%s: %v", r.At, r.Err)
		}
	}
	if n := auth.Count(idp.RefreshToken); n != (idp.Count{Requests: rotations, Granted: rotations}) {
		t.Errorf("exchanges: %+v", n)
	}
	quiet(t, cloud)
}

// TestTwentyColdProcesses: twenty real processes start cold at once, each with one token request.
func TestTwentyColdProcesses(t *testing.T) {
	t.Parallel()
	const processes = 20
	cloud, auth := deployed(t, map[string]any{"grant": "client_credentials"})
	var all, wg sync.WaitGroup
	all.Add(processes)
	for range processes {
		wg.Go(func() {
			all.Done()
			all.Wait()
			run, err := cloud.Invoke(t.Context(), "Caller", []byte(event))
			if err != nil || run.Failed {
				t.Errorf("%v %s", err, run.Message)
			}
		})
	}
	wg.Wait()
	if n := auth.Count(idp.ClientCredentials); n != (idp.Count{Requests: processes, Granted: processes}) ||
		cloud.Function("Caller").Started() != processes {
		t.Errorf("%d processes, token requests: %+v", cloud.Function("Caller").Started(), n)
	}
	quiet(t, cloud)
}

// quiet checks that no process printed a secret.
func quiet(t *testing.T, cloud *awssim.Cloud) {
	t.Helper()
	for _, run := range cloud.Runs() {
		for _, text := range [][]byte{run.Stdout, run.Stderr, run.Payload} {
			if found := leak.Find(text); found != nil {
				t.Fatalf("%s said a secret: %s", run.Function, text)
			}
		}
	}
	if said := fmt.Sprintf("%+v", cloud.CloudWatch.Calls("")); leak.MatchString(said) {
		t.Errorf("the metrics hold a secret")
	}
}
