package awssim

import (
	"sync"
	"time"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

// alerts is the way from an alarm's change of state to an inbox: the alarm's actions, the rules of EventBridge, the
// topics and their subscriptions. Safe for concurrent use.
type alerts struct {
	account *account
	monitor *alarm.Monitor
	journal *journal

	mu         sync.Mutex
	topics     map[string]*notify.Topic // by ARN
	rules      []notify.Rule
	lastChange map[string]time.Time // by the alarm's name
}

func newAlerts(a *account, monitor *alarm.Monitor, j *journal) *alerts {
	return &alerts{
		account: a, monitor: monitor, journal: j, topics: map[string]*notify.Topic{}, lastChange: map[string]time.Time{},
	}
}

func (s *alerts) addAlarm(a alarm.Alarm, now time.Time) error {
	s.mu.Lock()
	s.lastChange[a.Name] = now
	s.mu.Unlock()
	return s.monitor.Put(a, now)
}

func (s *alerts) addTopic(t *notify.Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[t.ARN] = t
}

func (s *alerts) addRule(r notify.Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, r)
}

// topic returns the topic with an ARN. One that no template has is a topic that the user has already.
func (s *alerts) topic(arn string) *notify.Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[arn] == nil {
		s.topics[arn] = &notify.Topic{ARN: arn, Open: true}
	}
	return s.topics[arn]
}

// evaluate is CloudWatch's evaluation of all alarms, once a minute.
func (s *alerts) evaluate(now time.Time) {
	for _, t := range s.monitor.Tick(now) {
		s.changed(t)
	}
}

// changed acts on an alarm's change of state: its actions, and the event on EventBridge.
func (s *alerts) changed(t alarm.Transition) {
	s.mu.Lock()
	change := notify.Change{Transition: t, PreviousAt: s.lastChange[t.Alarm.Name]}
	s.lastChange[t.Alarm.Name] = t.At
	rules := s.rules
	s.mu.Unlock()
	if found := s.monitor.Describe([]string{t.Alarm.Name}, ""); len(found) == 1 {
		change.ConfiguredAt = found[0].AlarmConfigurationUpdatedTimestamp
	}
	s.journal.observe(Event{At: t.At, Alarm: &change})
	source := s.account.arn("cloudwatch", "alarm:"+t.Alarm.Name)
	for _, arn := range t.Actions() {
		s.publish(notify.CloudWatch, source, s.account.AlarmMessage(change, arn))
	}
	event := s.account.StateChange(change)
	for _, rule := range rules {
		for _, message := range rule.Messages(t.At, event, t.Alarm.Name) {
			s.publish(notify.EventBridge, rule.ARN, message)
		}
	}
}

func (s *alerts) publish(publisher, source string, m notify.Message) {
	emails, err := s.topic(m.Topic).Publish(publisher, source, m)
	if err != nil {
		s.journal.lost(err)
	}
	for _, email := range emails {
		s.journal.observe(Event{At: email.At, Email: &email})
	}
}
