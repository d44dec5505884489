//go:build !race

package caller_test

const poolsDropped = 0
