package awssim_test

import (
	"maps"
	"testing"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/awssimtest"
)

// scheduleOf returns the schedule of the template's HourlySync.
func scheduleOf(t *testing.T, c *awssim.Cloud) awssim.Schedule {
	t.Helper()
	for _, s := range c.Schedules() {
		if s.Properties["ScheduleExpression"] == "rate(1 hour)" {
			return s
		}
	}
	t.Fatal("no schedule at rate(1 hour)")
	return awssim.Schedule{}
}

func runsOf(c *awssim.Cloud, job string) int {
	n := 0
	for _, r := range c.Runs() {
		if r.Result.Job == job {
			n++
		}
	}
	return n
}

// TestUpdatedScheduleIsReplacedAsAWhole: what an update leaves out becomes the default, a StartDate holds the starts
// back, and the starts of the schedule as it was are gone.
func TestUpdatedScheduleIsReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	c := awssimtest.Start(t, awssim.Options{})
	if _, err := c.PutSecret(secret, first); err != nil {
		t.Fatal(err)
	}
	c.Target(host).Accept(first)
	advance := func(d time.Duration) {
		t.Helper()
		if err := c.Advance(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	advance(150 * time.Minute)
	if got := runsOf(c, "HourlySync"); got != 3 {
		t.Fatalf("%d runs before, want 3", got)
	}
	s := scheduleOf(t, c)
	paused := maps.Clone(s.Properties)
	paused["StartDate"] = c.Now().Add(5 * time.Hour).Format(time.RFC3339)
	if err := c.UpdateSchedule(s.Group, s.Name, paused); err != nil {
		t.Fatal(err)
	}
	advance(4*time.Hour + 50*time.Minute)
	if got := runsOf(c, "HourlySync"); got != 3 {
		t.Errorf("%d runs before the StartDate, want 3", got)
	}
	advance(75 * time.Minute)
	if got := runsOf(c, "HourlySync"); got != 5 {
		t.Errorf("%d runs after the StartDate, want 5", got)
	}
	off := maps.Clone(s.Properties)
	off["State"] = "DISABLED"
	if err := c.UpdateSchedule(s.Group, s.Name, off); err != nil {
		t.Fatal(err)
	}
	advance(3 * time.Hour)
	if got := runsOf(c, "HourlySync"); got != 5 || scheduleOf(t, c).Properties["StartDate"] != nil {
		t.Errorf("%d runs while it is disabled, want 5; %v", got, scheduleOf(t, c).Properties)
	}
	if err := c.UpdateSchedule(s.Group, "another", off); err == nil {
		t.Error("a schedule that does not exist was updated")
	}
}

// TestMutedAlarmActsWhenTheMuteEnds: a mute stops actions, not states; an alarm that is still in ALARM when its mute
// ends acts.
func TestMutedAlarmActsWhenTheMuteEnds(t *testing.T) {
	t.Parallel()
	const name = "cronbearer-TokenRejected-ExampleApi"
	r := start(t, awssim.Options{})
	r.PutMute(awssim.Mute{Name: "m", Alarms: []string{name}, Start: r.Now(), End: r.Now().Add(time.Hour)})
	r.api.Revoke(first)
	r.invoke(event(nil))
	r.advance(10 * time.Minute)
	if r.AlarmState("TokenRejected-ExampleApi") != alarm.InAlarm || len(r.Emails(name)) != 0 || len(r.Actions(name)) != 0 {
		t.Errorf("muted: %s, %d emails, %v", r.AlarmState("TokenRejected-ExampleApi"), len(r.Emails(name)), r.Actions(name))
	}
	r.advance(time.Hour)
	if len(r.Emails(name)) != 1 || len(r.Actions(name)) != 1 || r.Actions(name)[0].Err != nil {
		t.Errorf("after the mute: %d emails, actions %v", len(r.Emails(name)), r.Actions(name))
	}
}

// TestUnconfirmedMailboxGetsNothing: SNS delivers to confirmed subscriptions only, and CloudWatch's action succeeds
// anyway.
func TestUnconfirmedMailboxGetsNothing(t *testing.T) {
	t.Parallel()
	const name = "cronbearer-TokenRejected-ExampleApi"
	r := start(t, awssim.Options{})
	for _, arn := range r.Topics() {
		r.Topic(arn).Confirm("you@example.com", false)
	}
	r.api.Revoke(first)
	r.invoke(event(nil))
	r.advance(10 * time.Minute)
	if actions := r.Actions(name); len(r.Emails("")) != 0 || len(actions) != 1 || actions[0].Err != nil {
		t.Errorf("%d emails, actions %v", len(r.Emails("")), actions)
	}
}
