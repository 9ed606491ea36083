// Package house holds the rules of this code base as tests: who may import whom, and how large a thing may
// grow before it is talked about. It has no code of its own.
package house
