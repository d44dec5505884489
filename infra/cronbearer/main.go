// Command cronbearer checks, plans, writes and operates the jobs of a Cronbearer application: of its template before it
// is deployed, and of its stack afterwards. It is never part of what is deployed.
//
//	go install github.com/cronbearer/cronbearer/infra/cronbearer@latest
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cronbearer/cronbearer/infra/cronbearer/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, os.Args[1:], cli.System())
}
