package local_test

import (
	"os"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/infra/local"
	"github.com/cronbearer/cronbearer/infra/local/localtest"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

func TestSmoke(t *testing.T) {
	t.Parallel()
	c := localtest.Start(t, local.Options{})
	if _, err := c.PutSecret("example-api", "fake-token-000001"); err != nil {
		t.Fatal(err)
	}
	c.Target("api.example.com").Accept("fake-token-000001")
	if err := c.Run(t.Context(), local.Start.Add(4*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Runs() {
		t.Logf("%s %+v\n%s%s", r.At, r.Result, r.Stdout, r.Stderr)
	}
	for _, r := range c.Changes("") {
		t.Log(r.At, r.Alarm.Name, r.From, r.To, r.Reason)
	}
	t.Log(c.Mails(""), c.Undelivered())
}
