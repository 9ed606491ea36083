// Package console serves recordings to the page /console.html: a list, conversations, their peaks, their sound, and the
// result of running one again.
//
// It answers these below the path that it is mounted at, in JSON unless told otherwise:
//
//	GET  recordings               [List], filtered by the query: text, state, with, since, until, least, most, limit
//	GET  recordings/{id}          [Call]
//	GET  recordings/{id}/peaks    both sides' waveforms and classes, bytes, as they are made: see [Peak]
//	GET  recordings/{id}/sound    a WAV file, side=both, caller or agent, by ranges too
//	POST recordings/{id}/exact    [Verdict]
//
// Nothing is written into a recording. What is derived of one lies in unnamed files of a bounded size, which are gone with
// the process, and is made once, by one processor at the most: those who talk at the time have the others. It can be read
// while it is made.
package console
