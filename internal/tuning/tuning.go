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
	// memoryShare of the function's memory is the collector's soft limit.
	memoryShare = 0.75
)

// ForFunctionSize reads AWS_LAMBDA_FUNCTION_MEMORY_SIZE. GOMEMLIMIT and GOMAXPROCS of the user take precedence.
//
// The collector's pace stays Go's own. With GOGC=400 a warm run needs no less CPU (0.25 ms either way: it leaves 20
// KB), and an environment of many runs grows to 23 MiB instead of 15.
func ForFunctionSize(lookup func(string) (string, bool)) {
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
