// Package jitter turns the packets of one RTP stream, as they arrived, into a timeline without holes: every
// moment from the first packet on is a packet to play, a stretch to conceal, or silence.
//
// It is pure: no clock, no goroutine. The owner pushes packets with the time, pops items until there are
// none, and comes back when the next packet arrives or at the time [Buffer.Wake] names.
//
// # Why it does not pace
//
// The reader is a recognizer, not a loudspeaker. It needs every sample once and in order, as early as
// possible, but it does not need them evenly. So a packet that is next in sequence is released the moment it
// arrives, and a line without loss has no added delay, whatever its jitter. Time is spent in two cases only, and
// they are not alike:
//
// A hole: later packets are here, an earlier one is not. It is probably lost, or it was overtaken. What came
// is held until the missing packet's deadline, its expected arrival plus the depth; of several missing packets
// each has its own. Only overtaking makes this wait worth while, so only overtaking makes it longer: the depth is the
// greatest delay of an overtaken packet in the last one to two seconds and 10 ms, between 20 and 200 ms. At 20 ms, on
// a line with packets of 20 ms, the deadline has come when the next packet has, and a loss delays nothing.
//
// A stall: nothing is here at all. The packets are probably late together (a radio link that pauses, a queue
// that fills) and will come in a burst that costs no delay once it is here. Concealing early would throw
// these words away, while waiting costs only that the reader learns of silence later, and only if the talker
// stopped in the same moment. So a stall is waited out for 200 ms. After a pause that the sender announced
// (DTX: a packet of at most two bytes; single packets without the marker do not end it) silence is what is
// expected, the talker has stopped, and the end of a turn may hang on it: there the wait is the spread of
// delays in the last one to two seconds and 50 ms. Then concealment goes on with the clock, so that a voice
// detector's time never stands still; a packet whose place has been concealed is late and dropped.
//
// # Why the depth is not a quantile
//
// A buffer before a loudspeaker takes a high quantile of all delays, from a histogram that forgets, because it must pace.
// Here that makes every loss on a rough line cost time although packets come late but in order, where a hole is a
// loss. Over ten minutes of each path (go test -run TestDepthRules -v ./media/jitter; late are packets that came after
// their deadline, held is the wait of those played):
//
//	path                            this rule          95 % of all delays  99 % of all delays  95 % of overtaken
//	                                late    held mean  late    held        late    held        late    held
//	lte-edge, in order, 3 % lost    0       0.0 ms     0       0.2 ms      0       0.7 ms      0       0.0 ms
//	wifi, 1 % overtaken             0.59 %  0.1 ms     0.45 %  0.1 ms      0.15 %  0.2 ms      0.07 %  0.2 ms
//	each by itself, up to 60 ms     0.01 %  3.2 ms     0.59 %  3.2 ms      0.01 %  3.2 ms      0.11 %  3.2 ms
//	each by itself, up to 80 ms,    0.00 %  6.8 ms     2.27 %  6.8 ms      0.01 %  6.8 ms      0.75 %  6.8 ms
//	3 % lost
//
// Where a packet in a hundred is overtaken a longer memory would save half a percent of the packets (the last
// column remembers ten of them, for as long as it takes), but then the depth would not be back at its floor two
// seconds after a burst, and each loss until then would hold what follows it. This is the price of forgetting.
//
// # Expected arrival
//
// A packet's place on the timeline follows from its RTP timestamp; the least delay between place and arrival
// in the last one to two seconds says when the next is expected (longer in a pause: a second has 16 packets at
// least). This follows a sender whose clock drifts, in both directions; the places do not, they are on the sender's clock, and
// [Buffer.Delay] is what lies between. Timestamps are believed as long as they fit the arrival: a pause that would lie in the
// future, or time running backward in sequence, is a jump of the sender's clock, and the timeline goes on
// without it. Numbers that restart, another SSRC or one stray packet are told apart by a second packet in
// sequence. When packets stay late by the same amount for 200 ms the route has become longer: the timeline
// catches up by silence, once.
//
// A packet without audio that the sender numbered, such as a telephone-event ([Buffer.Signal]), is no hole, and those
// that it overtook are told by their own numbers.
//
// Places lie 2.5 ms apart, the shortest Opus frame; concealment can be made in multiples of that only.
package jitter
