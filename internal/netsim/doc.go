// Package netsim is bad networks, for tests, benchmarks and the hand: profiles as data, the fate of each packet as a
// pure function, and a UDP relay that lets a call suffer it.
//
// # Fate
//
// What happens to a packet is a function of the profile, the seed, the direction and the packet's number alone, and of
// the time for a path that is dead at times. Nothing is drawn in order: a packet that is late, missing or sent twice changes
// nothing for the others, and one seed always loses the same packets. Audio is numbered by its RTP sequence number
// relative to the first of its SSRC, everything else (handshakes, connectivity checks, reports, data) by a count of its own
// in each direction. Both directions suffer alike and independently.
//
// # Models
//
//	profile     base   delay beyond it                        loss
//	clean       10 ms  none                                   none
//	wifi        15 ms  up to 3 ms; 8 stalls in 100 packets    none
//	                   of 20–60 ms; 1 in 100 is overtaken
//	lte-edge    45 ms  up to 8 ms; 6 stalls in 100 packets    3 % in bursts of 4
//	                   of 20–80 ms
//	burst5      20 ms  up to 2 ms                             5 % in bursts of 3
//	blackout2s  20 ms  up to 2 ms                             all from the 10th to the 12th second,
//	                                                          and again every 20 s
//
// A stall is a link that pauses, for contention, a retransmission or a grant: the packet that meets it and those behind it
// queue and arrive together, in order, half a millisecond apart. Packets are supposed to be 20 ms apart for that, as
// those of speech are. An overtaken packet was retransmitted for itself, 25 to 45 ms later than its queue. The
// losses follow the chain of Gilbert (1960): two states, all packets are lost in the bad one, whose mean length is the burst.
//
// The chain is a function of the index too: a packet's draw either sets the state whatever it was, bad or good, or keeps
// it, so the state at a packet is what the nearest draw at or before it that sets one says. That is the stationary chain, from
// coupling from the past (Propp and Wilson 1996), without a beginning and without memory.
//
// # Relay
//
// A [Relay] has one UDP port for clients and for each client a socket towards one target. It tells audio from the rest by
// the first byte (RFC 7983) and RTCP by the second (RFC 5761); RTP headers are in the clear, so the number of a packet
// that is late or lost before is known. One goroutine holds all delayed datagrams and sends each at its time.
// A description goes through [Rewrite] on its way, so that each side knows the relay instead of the other.
package netsim
