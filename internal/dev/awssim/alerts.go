package awssim

import (
	"context"
	"maps"
	"slices"
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
	// destinations are called for the rules.
	destinations *destinations

	mu         sync.Mutex
	topics     map[string]*notify.Topic // by ARN
	rules      []notify.Rule
	lastChange map[string]time.Time // by the alarm's name
	mutes      map[string]Mute      // by the rule's name
	actions    []Action
}

// A Mute keeps the actions of alarms from being performed for a while. The alarms still change their state.
type Mute struct {
	Name       string
	Alarms     []string
	Start, End time.Time
	Changed    time.Time
	// Rule is the rule as it was put, for reading it back.
	Rule any

	ended bool
}

// Active reports whether the mute is in force at a moment.
func (m Mute) Active(now time.Time) bool { return !now.Before(m.Start) && now.Before(m.End) }

// An Action is one that CloudWatch performed, or tried to, for an alarm.
type Action struct {
	At            time.Time
	Alarm, Target string
	Err           error
}

func newAlerts(a *account, monitor *alarm.Monitor, d *destinations, j *journal) *alerts {
	return &alerts{
		account: a, monitor: monitor, destinations: d, journal: j, topics: map[string]*notify.Topic{},
		lastChange: map[string]time.Time{},
		mutes:      map[string]Mute{},
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

// Topics returns the ARNs of the topics.
func (s *alerts) Topics() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.topics))
}

// Topic returns the topic with an ARN; nil if there is none.
func (s *alerts) Topic(arn string) *notify.Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[arn]
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

// PutMute creates a mute rule or replaces the one of its name.
func (s *alerts) PutMute(m Mute) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mutes[m.Name] = m
}

// DeleteMute removes a mute rule; alarms that it muted and that are in ALARM act at the next evaluation.
func (s *alerts) DeleteMute(name string, now time.Time) bool {
	s.mu.Lock()
	m, ok := s.mutes[name]
	delete(s.mutes, name)
	s.mu.Unlock()
	if ok && m.Active(now) {
		s.unmute(m, now)
	}
	return ok
}

// Mutes returns the mute rules by name.
func (s *alerts) Mutes() []Mute {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Mute
	for _, name := range slices.Sorted(maps.Keys(s.mutes)) {
		list = append(list, s.mutes[name])
	}
	return list
}

// Actions returns the actions that were performed or tried for an alarm, oldest first; for all alarms without a name.
func (s *alerts) Actions(alarmName string) []Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.actions), func(a Action) bool {
		return alarmName != "" && a.Alarm != alarmName
	})
}

func (s *alerts) muted(alarmName string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mutes {
		if m.Active(now) && slices.Contains(m.Alarms, alarmName) {
			return true
		}
	}
	return false
}

// endMutes lets the alarms act whose mute is over: "if the alarm is still in ALARM when the mute ends, its actions are
// performed" (CloudWatch User Guide, "Alarm mute rules").
func (s *alerts) endMutes(now time.Time) {
	s.mu.Lock()
	var over []Mute
	for name, m := range s.mutes {
		if !m.ended && !now.Before(m.End) {
			m.ended = true
			s.mutes[name] = m
			over = append(over, m)
		}
	}
	s.mu.Unlock()
	for _, m := range over {
		s.unmute(m, now)
	}
}

func (s *alerts) unmute(m Mute, now time.Time) {
	for _, status := range s.monitor.Describe(m.Alarms, "") {
		if status.StateValue == alarm.InAlarm && !s.muted(status.Alarm.Name, now) {
			s.act(notify.Change{
				Transition: alarm.Transition{
					Alarm: status.Alarm, From: alarm.OK, To: alarm.InAlarm, Reason: status.StateReason,
					ReasonData: status.StateReasonData, At: now,
				},
				PreviousAt: status.StateTransitionedTimestamp, ConfiguredAt: status.AlarmConfigurationUpdatedTimestamp,
			})
		}
	}
}

// act performs the actions of a change.
func (s *alerts) act(change notify.Change) {
	name := change.Alarm.Name
	for _, arn := range change.Actions() {
		err := s.publish(notify.CloudWatch, s.account.arn("cloudwatch", "alarm:"+name), s.account.AlarmMessage(change, arn))
		if s.journal.light {
			continue
		}
		s.mu.Lock()
		s.actions = append(s.actions, Action{At: change.At, Alarm: name, Target: arn, Err: err})
		s.mu.Unlock()
	}
}

// evaluate is CloudWatch's evaluation of all alarms, once a minute.
func (s *alerts) evaluate(now time.Time) {
	s.endMutes(now)
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
	if !s.muted(t.Alarm.Name, t.At) {
		s.act(change)
	}
	event := s.account.StateChange(change)
	for _, rule := range rules {
		for _, message := range rule.Messages(t.At, event, t.Alarm.Name) {
			if isDestination(message.Topic) {
				s.destinations.deliver(context.Background(), rule.ARN, message, event, 0)
				continue
			}
			// What is missing is a permission or the topic, which EventBridge does not retry (User Guide, "Using dead-letter
			// queues").
			if err := s.publish(notify.EventBridge, rule.ARN, message.Message); err != nil && message.DeadLetters != "" {
				s.destinations.keep(rule.ARN, message, event, map[string]string{
					"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": err.Error(),
				})
			}
		}
	}
}

func (s *alerts) publish(publisher, source string, m notify.Message) error {
	emails, err := s.topic(m.Topic).Publish(publisher, source, m)
	if err != nil {
		s.journal.lost(err)
	}
	for _, email := range emails {
		s.journal.observe(Event{At: email.At, Email: &email})
	}
	return err
}
