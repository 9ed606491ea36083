// Package replay is the verb "replay": it runs recorded conversations again.
package replay

// Cmd is the verb.
type Cmd struct {
	Exact ExactCmd `cmd:"" help:"Run a recording's inputs through this build and compare every decision and event."`
	Live  LiveCmd  `cmd:"" help:"Have the recorded caller speak again to a running server."`
	Fault FaultCmd `cmd:"" help:"Hold the recorded conversation again with engines that fail or through a bad network."`
}
