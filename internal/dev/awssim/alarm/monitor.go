package alarm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// historyKept is how long CloudWatch keeps an alarm's history.
const historyKept = 14 * 24 * time.Hour

// Limits of SetAlarmState.
const (
	maxStateReason     = 1023
	maxStateReasonData = 4000
)

// The faults of SetAlarmState.
var (
	// ErrNotFound means that there is no alarm of that name (CloudWatch: ResourceNotFound).
	ErrNotFound = errors.New("no such alarm")
	// ErrInvalidFormat means that the reason's data are not JSON (CloudWatch: InvalidFormat).
	ErrInvalidFormat = errors.New("not valid JSON")
	// ErrInvalidValue means an unknown state or a text that is too long (CloudWatch: ValidationError).
	ErrInvalidValue = errors.New("invalid value")
)

// Transition is a change of an alarm's state, which alone makes CloudWatch act.
type Transition struct {
	Alarm              Alarm
	From, To           State
	Reason, ReasonData string
	At                 time.Time

	PreviousReason, PreviousReasonData string
}

// Actions are the targets to notify of the change, none if the state did not change.
func (t Transition) Actions() []string {
	if t.From == t.To {
		return nil
	}
	return t.Alarm.Actions(t.To)
}

// Status is what DescribeAlarms says of an alarm.
type Status struct {
	Alarm           Alarm
	StateValue      State
	StateReason     string
	StateReasonData string
	// StateUpdatedTimestamp covers "any state update, even if StateValue doesn't change",
	// such as SetAlarmState's to the same state.
	StateUpdatedTimestamp time.Time
	// StateTransitionedTimestamp is "the timestamp of the last change to the alarm's StateValue".
	StateTransitionedTimestamp         time.Time
	AlarmConfigurationUpdatedTimestamp time.Time
}

// Monitor is one account's alarms, their states and history. Safe for concurrent use.
type Monitor struct {
	// SetReasonsFade makes the next evaluation replace the reason passed to SetState, even
	// where it finds the same state. AWS promises only that the state does not last; one
	// published runbook reports that the reason's text does not either, and no one says
	// what becomes of its data. Set it before the first Tick.
	SetReasonsFade bool

	mu        sync.Mutex
	samples   *Samples
	watches   map[string]*watch
	order     []*watch // by name
	history   []Transition
	points    []Point // for Tick, kept from one to the next
	forgotten time.Time
}

// watch is an alarm at work.
type watch struct {
	Status
	series *series
	// An evaluation is of no use before new data (another version), the moment from which
	// known data move into, between or out of the periods, or a forced one.
	version uint64
	due     int64
	forced  bool
	end     time.Time // of the range last evaluated
	set     bool      // by SetState, and not evaluated since
}

// NewMonitor returns a Monitor without alarms.
func NewMonitor(samples *Samples) *Monitor {
	return &Monitor{samples: samples, watches: map[string]*watch{}}
}

// Put makes an alarm, which starts in INSUFFICIENT_DATA, or changes one: "its state is
// left unchanged, but the update completely overwrites the previous configuration".
func (m *Monitor) Put(a Alarm, now time.Time) error {
	if err := a.validate(); err != nil {
		return fmt.Errorf("alarm %q: %w", a.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.watches[a.Name]
	if !ok {
		w = &watch{Status: Status{
			StateValue: InsufficientData, StateReason: initialReason, StateUpdatedTimestamp: now,
			StateTransitionedTimestamp: now,
		}}
		m.watches[a.Name] = w
	}
	w.Alarm, w.AlarmConfigurationUpdatedTimestamp, w.forced, w.end = a, now, true, time.Time{}
	m.arrange()
	return nil
}

// Delete removes an alarm. Its metric's samples stay until they are too old.
func (m *Monitor) Delete(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.watches, name)
	m.arrange()
}

// arrange puts the alarms in order and ties each to its metric's samples.
func (m *Monitor) arrange() {
	m.order = slices.SortedFunc(maps.Values(m.watches), func(a, b *watch) int {
		return cmp.Compare(a.Alarm.Name, b.Alarm.Name)
	})
	m.samples.mu.Lock()
	defer m.samples.mu.Unlock()
	for _, one := range m.samples.series {
		one.watched = false
	}
	for _, w := range m.watches {
		w.series = m.samples.get(w.Alarm.Metric().key())
		w.series.watched = true
	}
}

// Tick evaluates every alarm whose verdict can have changed since the last time, and
// returns the changes by name. Call it once a minute of virtual time, more often for
// alarms with shorter periods: what happens between two calls is not made up for.
func (m *Monitor) Tick(now time.Time) []Transition {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples.mu.Lock()
	defer m.samples.mu.Unlock()
	var changes []Transition
	for _, w := range m.order {
		if w.betweenHours(now) || !w.forced && w.version == w.series.version && now.Unix() < w.due {
			continue
		}
		if t, changed := m.evaluate(w, now); changed {
			changes = append(changes, t)
		}
	}
	m.record(now, changes...)
	if now.Sub(m.forgotten) >= 24*time.Hour {
		m.samples.forget(now)
		m.forgotten = now
	}
	return changes
}

// betweenHours reports whether a multi-day alarm has to wait for its next full hour, whatever happened meanwhile.
func (w *watch) betweenHours(now time.Time) bool {
	_, end := w.Alarm.Range(now)
	return w.Alarm.multiDay() && !end.After(w.end)
}

func (m *Monitor) evaluate(w *watch, now time.Time) (Transition, bool) {
	a := w.Alarm
	start, end := a.Range(now)
	m.points = w.series.aggregate(m.points[:0], a.Statistic, a.Period, start, end)
	w.version, w.due, w.forced, w.end = w.series.version, w.series.nextMove(a, start, end), false, end
	o := a.decide(now, m.points)
	set := w.set
	w.set = false
	switch {
	case o.state == "":
		return Transition{}, false
	case o.state != w.StateValue:
		return w.move(o.state, a.reason(o), a.reasonData(now, o), now), true
	case set && m.SetReasonsFade:
		w.move(o.state, a.reason(o), a.reasonData(now, o), now)
	}
	return Transition{}, false
}

// nextMove is when time alone next changes which period a minute with data is in: it
// comes in when it is over, and moves on each time that the window has slid one period.
func (s *series) nextMove(a Alarm, start, end time.Time) int64 {
	next := int64(math.MaxInt64)
	period, step, last := int64(a.Period/time.Second), int64(min(a.cadence(), time.Minute)/time.Second), end.Unix()
	i, _ := s.find(start.Unix())
	for ; i < len(s.minutes); i++ {
		at := s.minutes[i].start
		if at < last { // its period ends at the first multiple that reaches back over it
			at += (last - at + period - 1) / period * period
		}
		next = min(next, at+step)
	}
	return next
}

func (w *watch) move(to State, reason, data string, now time.Time) Transition {
	t := Transition{
		Alarm: w.Alarm, From: w.StateValue, To: to, Reason: reason, ReasonData: data, At: now,
		PreviousReason: w.StateReason, PreviousReasonData: w.StateReasonData,
	}
	w.StateValue, w.StateReason, w.StateReasonData, w.StateUpdatedTimestamp = to, reason, data, now
	if t.From != t.To {
		w.StateTransitionedTimestamp = now
	}
	return t
}

// SetState does what SetAlarmState does: the state lasts until an evaluation finds
// another. An alarm that ignores missing data finds none until data come, so there it
// stays. The Transition has From equal to To if the alarm was in that state already;
// then CloudWatch does not act.
func (m *Monitor) SetState(name string, state State, reason, reasonData string, now time.Time) (Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.watches[name]
	switch {
	case !ok:
		return Transition{}, fmt.Errorf("%w: %q", ErrNotFound, name)
	case state != OK && state != InAlarm && state != InsufficientData:
		return Transition{}, fmt.Errorf("%w: state %q; it is OK, ALARM or INSUFFICIENT_DATA", ErrInvalidValue, state)
	case utf8.RuneCountInString(reason) > maxStateReason:
		return Transition{}, fmt.Errorf("%w: the reason has more than %d characters", ErrInvalidValue, maxStateReason)
	case utf8.RuneCountInString(reasonData) > maxStateReasonData:
		return Transition{}, fmt.Errorf(
			"%w: the reason's data have more than %d characters", ErrInvalidValue, maxStateReasonData,
		)
	case reasonData != "" && !json.Valid([]byte(reasonData)):
		return Transition{}, fmt.Errorf("the reason's data: %w", ErrInvalidFormat)
	}
	w.forced, w.set = true, true
	t := w.move(state, reason, reasonData, now)
	if t.From != t.To {
		m.record(now, t)
	}
	return t, nil
}

func (m *Monitor) record(now time.Time, changes ...Transition) {
	m.history = append(m.history, changes...)
	old := 0
	for old < len(m.history) && now.Sub(m.history[old].At) > historyKept {
		old++
	}
	if old > 0 {
		m.history = slices.Clone(m.history[old:])
	}
}

// History returns an alarm's changes of the last two weeks, oldest first; of all alarms
// without a name.
func (m *Monitor) History(name string) []Transition {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Transition
	for _, t := range m.history {
		if name == "" || t.Alarm.Name == name {
			found = append(found, t)
		}
	}
	return found
}

// Describe returns alarms by name, those of a list or those with a prefix; without either
// all. CloudWatch does not accept both.
func (m *Monitor) Describe(names []string, prefix string) []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Status
	for _, w := range m.order {
		if (len(names) == 0 || slices.Contains(names, w.Alarm.Name)) && strings.HasPrefix(w.Alarm.Name, prefix) {
			found = append(found, w.Status)
		}
	}
	return found
}
