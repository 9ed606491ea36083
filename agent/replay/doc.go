// Package replay reads recorded conversations, runs them again and tells them apart.
//
// [Read] makes of a bundle's ordered log what happened: turns with their words and times, holds and interruptions, what went
// wrong. [Exact] feeds the log's inputs to the same pure code that decided in the call and compares what comes out, event by
// event. [Compare] sets two conversations side by side. Package rerun below runs a conversation's engines again, from
// package cassette, in virtual time.
package replay
