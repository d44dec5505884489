package awssim

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

// timeline is virtual time: what is planned happens by time, and then in the order in which it was planned. Safe for
// concurrent use: what runs plans its own retries.
type timeline struct {
	clock       *clock
	concurrency int       // how many plans of one moment run at the same time; below 2: one after the other
	nextTick    time.Time // end of the virtual minute; used by run only

	mu    sync.Mutex
	queue plans
	made  int
}

type plan struct {
	at    time.Time
	order int
	do    func(context.Context)
}

func newTimeline(c *clock, start time.Time, concurrency int) *timeline {
	return &timeline{clock: c, concurrency: concurrency, nextTick: start.Truncate(time.Minute).Add(time.Minute)}
}

// Now returns the virtual time.
func (t *timeline) Now() time.Time { return t.clock.Now() }

// At plans something for a time.
func (t *timeline) At(at time.Time, do func(context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made++
	heap.Push(&t.queue, plan{at, t.made, do})
}

// run lets time pass until a moment. It calls tick at the end of each virtual minute, and stops when check returns an
// error.
func (t *timeline) run(ctx context.Context, until time.Time, tick func(time.Time), check func() error) error {
	for {
		next, planned := t.next()
		isTick := !planned || !t.nextTick.After(next)
		if isTick {
			next = t.nextTick
		}
		if next.After(until) {
			t.clock.set(until)
			return check()
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("local cloud: %w", err)
		}
		t.clock.set(next)
		if isTick {
			tick(t.nextTick)
			t.nextTick = t.nextTick.Add(time.Minute)
			continue
		}
		t.perform(ctx, t.take(next))
		if err := check(); err != nil {
			return err
		}
	}
}

func (t *timeline) perform(ctx context.Context, due []plan) {
	if t.concurrency < 2 {
		for _, p := range due {
			p.do(ctx)
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, t.concurrency)
	for _, p := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p.do(ctx)
		})
	}
	wg.Wait()
}

// next returns the time of the next plan, and false if there is none.
func (t *timeline) next() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return time.Time{}, false
	}
	return t.queue[0].at, true
}

// take removes and returns all that is planned up to a moment.
func (t *timeline) take(at time.Time) []plan {
	t.mu.Lock()
	defer t.mu.Unlock()
	var due []plan
	for len(t.queue) > 0 && !t.queue[0].at.After(at) {
		next, _ := heap.Pop(&t.queue).(plan)
		due = append(due, next)
	}
	return due
}

// plans is a container/heap.
type plans []plan

func (p plans) Len() int { return len(p) }
func (p plans) Less(i, j int) bool {
	return p[i].at.Before(p[j].at) || (p[i].at.Equal(p[j].at) && p[i].order < p[j].order)
}
func (p plans) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *plans) Push(x any) {
	one, _ := x.(plan)
	*p = append(*p, one)
}

func (p *plans) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
