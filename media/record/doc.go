// Package record keeps one conversation as it crossed the wire, and derives from that what people listen to.
//
// The truth is packets: both directions, with the session time of their arrival or sending, before anything was repaired or
// decoded, and beside them the ordered log of what was decided. A [Writer] takes them from taps in goroutines of its own and never
// holds a call up. A [Bundle] reads them: [Bundle.Packets], [Bundle.Log], [Bundle.Blob]. What is derived, [Bundle.Track],
// [Bundle.WAV], [Bundle.Ogg], is made anew each time.
//
// # The bundle
//
// A folder named after the conversation's id, <id>.conv, readable by its owner only:
//
//	manifest.json   what it is: Manifest, written first and never changed
//	packets         packets of both directions, RTCP, mutes
//	log             lines of the ordered log, scores, names of blobs
//	blobs/<sha256>  free content, named by its hash; with the suffix .z as a DEFLATE stream (RFC 1951)
//	*.torn          what Recover cut off
//	*.part          a manifest or blob that a killed writer had not finished
//
// packets and log are append-only. Each begins with the line "parley record 1 packets" or "parley record 1 log", then chunks follow:
//
//	bytes   what                                                          (numbers are little-endian)
//	4       c3 70 72 31
//	4       length of the body, at most 8 MiB
//	4       0, or the body is a DEFLATE stream and this the length of what is in it, at most 8 MiB
//	4       number of the chunk in its file, from 0
//	4       CRC-32C of the twelve bytes before and the body
//	…       body: entries
//
// A chunk is what came in half a second; it is written in one piece, and every other time all is synced. So a process that is
// killed loses half a second and a computer that loses power one second, and both leave whole chunks. A blob is there
// before its name is in the log. An entry is
//
//	kind (a byte) · length of what follows (uvarint) · time, ns on the session clock less that of the entry before in this chunk
//	(varint) · fields
//
//	1 up, 2 down            number · flags (1 marker, 2 SSRC follows, 4 payload type follows) · RTP sequence (varint) · RTP time (varint) ·
//	                        audio level (a byte) · SSRC if told (4) · payload type if told (1) · payload; sequence, time, SSRC and
//	                        payload type are relative to the packet before in this direction and chunk, at first to zero
//	3, 4 RTCP up, down      number · packet
//	5 gap                   kind that is missing (a byte) · how many (uvarint) · time less the beginning of the gap (varint) · reason
//	6 pause, 7 resume       reason; each file has its own
//	8 mute                  1 off, 0 on
//	9 line                  number · what the conversation logged, one JSON object
//	10 score                number · time less the place on the stream's timeline (varint) · float32 · name of the detector
//	11 blob                 length (uvarint) · its hash in hexadecimal
//	12 end                  SHA-256 of the file before this chunk · "closed" or "recovered"
//	13 tape                 number · what an engine was asked or answered, one JSON object
//	14 tick                 nothing: frames were made of the caller's packets at this moment although none came
//
// varint and uvarint are those of encoding/binary. A number is a varint: what it differs by from one more than that of the
// entry before of this kind in this chunk. Numbers of packets and RTCP are those of the relay they were taken from, so that a
// log can name a packet; those of lines are the log's, those of scores and tapes count them.
//
// # Versions
//
// Schema and the number in the files' first lines are one version. A program reads every version up to its own and refuses a
// newer one with [ErrVersion]. A kind of entry, a field of the manifest or a file may be added without a new version: readers
// skip kinds that they do not know. Anything else that changes makes a new version, and the reader of the old one stays.
// Another way to pack a body gets another first four bytes: a reader then says that no chunk begins there and goes on
// behind it.
//
// # What is not kept
//
// Nothing is lost silently. A tap that overflowed, a disk that was full or slow for longer than [Options.Buffer], an entry
// that was too long: a gap tells of what kind, how many, from when to when, and why. A disk that fails is tried again twice a
// second, and a part of a chunk that it took is taken back first. In a [Writer.Pause] nothing is kept, packets, lines,
// scores and blobs, so what was said then is nowhere; the pause itself is an entry. The log may stay paused for longer than the packets
// ([Writer.ResumePackets]), because what follows may tell of what was said.
//
// # Where sound belongs
//
// A packet lies where its RTP timestamp says, on the session clock, never where it happened to be handled. How the sender's clock
// lies to ours is told by the packets that nothing held up: the least delay (arrival less timestamp) of the next four
// seconds. So a network that stalled and then delivered a burst moves nothing, and two clocks that drift apart by 500 ppm are
// still together after eight hours. A sender that really stopped (its timestamps go on where they were, and it stays late by
// more than 120 ms for a second) leaves a gap. Every sample has a [Class].
//
// The Opus packets of an Ogg file cannot be bent, so there a slow clock is made good by 2.5 ms at a time and a fast one by
// leaving a packet out.
package record
