package awssim

import (
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// tick is the end of a virtual minute: queues tell their lengths, idle environments go, alarms are evaluated.
func (c *Cloud) tick(now time.Time) {
	for _, q := range c.queues {
		if n, told := q.Visible(); told {
			c.Samples.Put(alarm.Metric{
				Namespace: "AWS/SQS", Name: "ApproximateNumberOfMessagesVisible", Dimensions: []alarm.Dimension{{Name: "QueueName", Value: q.Name}},
			}, now.Add(-time.Minute), alarm.Value(float64(n)))
		}
	}
	for _, f := range c.functions {
		f.Reap()
	}
	for _, t := range c.Alarms.Tick(now) {
		c.changed(t)
	}
}

// changed acts on an alarm's change of state: its actions, and the event on EventBridge.
func (c *Cloud) changed(t alarm.Transition) {
	c.mu.Lock()
	change := notify.Change{Transition: t, PreviousAt: c.lastChange[t.Alarm.Name]}
	c.lastChange[t.Alarm.Name] = t.At
	c.mu.Unlock()
	if found := c.Alarms.Describe([]string{t.Alarm.Name}, ""); len(found) == 1 {
		change.ConfiguredAt = found[0].AlarmConfigurationUpdatedTimestamp
	}
	c.observe(Event{At: t.At, Alarm: &change})
	source := c.arn("cloudwatch", "alarm:"+t.Alarm.Name)
	for _, arn := range t.Actions() {
		c.publish(notify.CloudWatch, source, c.account.AlarmMessage(change, arn))
	}
	event := c.account.StateChange(change)
	for _, rule := range c.rules {
		for _, message := range rule.Messages(t.At, event, t.Alarm.Name) {
			c.publish(notify.EventBridge, rule.ARN, message)
		}
	}
}

func (c *Cloud) publish(publisher, source string, m notify.Message) {
	c.mu.Lock()
	topic := c.topic(m.Topic)
	c.mu.Unlock()
	mails, err := topic.Publish(publisher, source, m)
	if err != nil {
		c.mu.Lock()
		c.undelivered = append(c.undelivered, err)
		c.mu.Unlock()
	}
	for _, mail := range mails {
		c.observe(Event{At: mail.At, Mail: &mail})
	}
}
