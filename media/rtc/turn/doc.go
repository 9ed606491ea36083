// Package turn is a TURN server (RFC 8656) for callers whose network lets no UDP through to the media port, or none
// at all: [Listen] opens it on one address, for UDP and TCP. [Remote] is for a server elsewhere that shares a secret
// with us, as coturn does with use-auth-secret. Both give what a browser is told with the answer.
//
// A caller proves who it is by a name that holds when it expires, and a password made of the name and a secret
// (the TURN REST convention); nothing is kept for either. The names are asked for with the answer of a call, one for
// each, so that bounds by name are bounds by call. A name that has expired makes no new allocation; one that was made
// in time lives on.
//
// It is no open relay. Each allocation has a socket that sends to this process's own media addresses only, address
// and port, and that hears nobody else: what is meant for others, or comes from them, is dropped and counted. The
// permissions of the protocol know addresses without ports, so they alone would let a caller reach every UDP service
// of this machine. The relayed address that a caller is told is a local one, also behind a NAT: only we send to it.
//
// What a caller can make us hold is bounded, and what goes beyond is dropped, or refused, and counted ([Stats]):
//
//	allocations               Options.Allocations; a quarter of them for one address, 16 for one name
//	an allocation that no packet of ours has used for 2 minutes is freed, whatever lifetime it asked for
//	bytes                     1 Mbit/s each way for an allocation, a second of it at once; a call is 60 kbit/s
//	channels                  16 for an allocation, which is freed beyond
//	TCP connections           as allocations; 15 seconds without an allocation ends one, and so does a frame above
//	                          1600 bytes, or 5 seconds in which the caller does not take what we write
//	ports asked for, TCP allocations  none
package turn
