package awssim

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// timeline holds what is to happen, by time and then in the order of its planning. Safe for concurrent use: what runs
// plans its own retries.
type timeline struct {
	mu    sync.Mutex
	queue plans
	made  int
}

type plan struct {
	at    time.Time
	order int
	do    func(context.Context)
}

func (t *timeline) add(at time.Time, do func(context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made++
	heap.Push(&t.queue, plan{at, t.made, do})
}

// next is when the next thing happens; false: nothing will.
func (t *timeline) next() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return time.Time{}, false
	}
	return t.queue[0].at, true
}

// take removes all that is planned for one moment.
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
