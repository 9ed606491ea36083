// Package media is the vocabulary of a call's audio: the packets that cross the wire, the frames a
// model hears, and the two things that move them, [Relay] and [Playout].
//
// PCM exists only between the codec and a model; everything else moves [Packet] values. Both
// directions of a call are a Relay of packets, so that a recorder, a listener and the conversation
// itself read the same stream and none can hold another up.
//
// Times are time.Duration on the session clock, which starts at zero when the call is created.
// The package imports the standard library only.
package media
