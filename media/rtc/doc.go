// Package rtc carries one voice call over WebRTC, in either role: an [Endpoint] answers a caller's offer
// or makes an offer itself, and gives a [Call] in both cases. It is the only importer of pion.
//
// A call is one Opus audio line, both ways, and one data channel named [Label] that the offering side
// opens. It is set up without trickle: each side's description holds all its candidates.
//
// A half call is never answered. The track that we send on is added before the answer is made and the
// answer is checked; the first audio line of the offer decides:
//
//	offer                      answer
//	sendrecv (or no attribute) sendrecv
//	recvonly                   ErrOffer: the caller would never be heard
//	sendonly                   ErrOffer: the caller would never hear
//	inactive, or port 0        ErrOffer
//	no audio line              ErrOffer
//	audio without Opus         ErrOffer
//	setup:actpass, setup:active  setup:passive; only an offer of setup:passive gets setup:active
//	further audio lines        inactive; the call goes on with the first
//	a video line               rejected (port 0); the call goes on
//
// What ends a call is decided here, because the peer connection below frees nothing by itself and a write
// to a dead peer succeeds for ever: see [Timeouts]. Call.Run starts every goroutine of ours, joins them,
// and says why the call is over.
package rtc
