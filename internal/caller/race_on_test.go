//go:build race

package caller_test

// sync.Pool drops a part of what it is given under the race detector, which makes more of a run allocate.
const poolsDropped = 15
