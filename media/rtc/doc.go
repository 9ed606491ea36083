// Package rtc carries one voice call over WebRTC, in either role: an [Endpoint] answers a caller's offer
// or makes an offer itself, and gives a [Call] in both cases. It is the only importer of pion.
//
// A call is one audio line, both ways, and one data channel named [Label] that the offering side opens. Its
// codec is fixed for its length and named alone in the answer: Opus if it is offered, else the first of G.722,
// PCMU and PCMA in the offer's order, and with it telephone-event if that is offered at the codec's clock.
//
// # Directions
//
// A half call is never answered. The track that we send on is added before the answer is made and the
// answer is checked; the first audio line of the offer decides:
//
//	first offer                answer
//	sendrecv (or no attribute) sendrecv
//	recvonly                   ErrOffer: the caller would never be heard (two such lines are for AnswerListener)
//	sendonly                   ErrOffer: the caller would never hear
//	inactive, or port 0        ErrOffer
//	no audio line              ErrOffer
//	none of the four codecs    ErrOffer
//	setup:actpass, setup:active  setup:passive; only an offer of setup:passive gets setup:active
//	further audio lines        inactive or refused; the call goes on with the first
//	a video line               refused (port 0); the call goes on
//	more than 64 candidates    the first 64 are taken
//
// Within a call the offering side may put it on hold, and take it back, as often as it likes:
//
//	further offer              answer
//	sendrecv (or no attribute) sendrecv
//	sendonly                   recvonly: nothing is sent, what Send is given is counted as unsent
//	recvonly                   sendonly: no media is waited for
//	inactive                   inactive: both
//	lines that are added       refused
//	another codec or number, audio line, order of the lines, peer connection; port 0  ErrOffer
//
// Whatever a further offer says, the call goes on, and takes the next one: what the peer connection below is told of it
// is its ICE session, candidates and sources alone.
//
// # Candidates and restarts
//
// Our own descriptions hold all our candidates. The peer's may come later, by Call.Patch, and in the caller's role
// before the answer. A peer whose network changed restarts ICE: by Call.Reoffer with a whole offer, or by Call.Patch
// with a fragment (RFC 9725, 4.3.3). Tracks, SSRC, sequence numbers and the session clock go on; Call.Tag tells one
// ICE session from the next. What the peer sends over the old path after that does not arrive: a restart costs the
// time of a few round trips.
//
// # Reports
//
// Each side tells the other once a second what it sent and what came (RFC 3550, 6.4). Call.Controls has both sides' reports. The
// NTP time in ours is the session clock's: Call.Start and the time since. So what a listener says of our clock, as a browser's
// estimatedPlayoutTimestamp does, names a place in the record.
//
// # Paths and ends
//
// What ends a call is decided here, because the peer connection below frees nothing by itself and a write
// to a dead peer succeeds for ever: see [Timeouts]. A path that is silent for two seconds is lost, which Call.Paths
// tells; the call waits for it, or for a restart, until Timeouts.Vanish after the last sign of life. A check goes every
// 0.8 s whether or not packets flow. Call.Run starts every goroutine of ours, joins them, and says why the call is over.
//
// A caller whose network lets only TCP out connects to the port's number over TCP if Options.TCP says so, or by way of
// a TURN server, of which only the offering side needs to know.
package rtc
