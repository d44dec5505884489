// Package faults breaks everything around the real binaries, one thing at a time: Secrets Manager, STS and CloudWatch,
// targets and authorization servers, the clock, the machine. For each fault it holds the outcome, the error, the metrics,
// bounded time and memory, that no secret is in anything that left the process, and that the next run is in order. It
// has tests only.
package faults
