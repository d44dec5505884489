package scenes_test

import (
	"os"
	"strings"
	"testing"

	"github.com/cronbearer/cronbearer/infra/local/localtest"
	"github.com/cronbearer/cronbearer/infra/replay/scenes"
)

func TestMain(m *testing.M) { os.Exit(localtest.Main(m)) }

func machine(t *testing.T) scenes.Machine {
	t.Helper()
	return scenes.Machine{Root: localtest.Root(), Binaries: localtest.Binaries(t)}
}

// TestEachAlarm fires and mends each alarm of the template by its real cause.
func TestEachAlarm(t *testing.T) {
	t.Parallel()
	m := machine(t)
	for _, scene := range scenes.Scenes() {
		t.Run(strings.ReplaceAll(scene.Title, " ", "_"), func(t *testing.T) {
			t.Parallel()
			mails, err := m.Play(t.Context(), scene)
			if err != nil {
				t.Fatal(err)
			}
			for _, mail := range mails {
				t.Logf("%s %s\n%s", mail.At.Format("15:04:05"), mail.Subject, mail.Body)
			}
		})
	}
}

func TestX(t *testing.T) {
	t.Parallel()
	m := machine(t)
	for _, f := range scenes.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			told, err := m.Reminders(t.Context(), f)
			t.Logf("%+v %v", told, err)
		})
	}
}

func TestY(t *testing.T) {
	t.Parallel()
	parts, err := machine(t).FortyEightHours(t.Context(), 1)
	t.Log(parts, err)
}
