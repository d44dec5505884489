// Package tuning sets Go's scheduler and collector for the size of a Lambda function.
package tuning

import (
	"runtime"
	"runtime/debug"
	"strconv"
)

const (
	// oneCore is the memory size in MB from which a function has a whole vCPU (Lambda Developer Guide, "Memory").
	oneCore = 1769
	// gcPercent lets the heap, a few MiB, grow to five times what lives: collecting it is a tenth of a warm run's CPU.
	gcPercent = 400
	// memoryShare of the function's memory is the collector's soft limit.
	memoryShare = 0.75
)

// ForFunctionSize reads AWS_LAMBDA_FUNCTION_MEMORY_SIZE. What the user sets by GOGC, GOMEMLIMIT or GOMAXPROCS stays.
func ForFunctionSize(lookup func(string) (string, bool)) {
	if _, set := lookup("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	text, _ := lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
	megabytes, err := strconv.Atoi(text)
	if err != nil || megabytes <= 0 {
		return
	}
	if _, set := lookup("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(int64(float64(megabytes) * (1 << 20) * memoryShare))
	}
	if _, set := lookup("GOMAXPROCS"); !set && megabytes < oneCore {
		runtime.GOMAXPROCS(1)
	}
}
