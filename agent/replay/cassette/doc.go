// Package cassette keeps what the engines of a conversation were asked and what they answered, and when, and plays it
// again as engines.
package cassette
