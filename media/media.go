package media

import (
	"context"
	"iter"
	"time"
)

// FrameDuration is the length of one frame of outgoing audio and the usual length of an Opus packet.
const FrameDuration = 20 * time.Millisecond

// The rates of the audio inside a call, in samples a second.
const (
	ListenRate = 16000 // what recognizers and voice detectors hear
	SpeakRate  = 24000 // what a Playout sends to the encoder
	ClockRate  = 48000 // the RTP clock of Opus, whatever the audio's rate
)

// Packet is one encoded packet and when it crossed the wire. Payload is immutable for ever and owned
// by nobody: any number of readers may keep it.
type Packet struct {
	At      time.Duration // arrival or send time on the session clock
	Seq     uint16        // RTP sequence number
	Time    uint32        // RTP timestamp, in units of the codec's clock
	SSRC    uint32
	Marker  bool // first packet of a talk spurt
	PT      uint8
	Level   int8 // audio level of RFC 6464 in −dBov (0 loudest, 127 silent); −1 when the sender does not tell
	Payload []byte
}

// Control is one RTCP packet beside the audio, as SRTCP gave it: compound datagrams are taken apart.
type Control struct {
	At  time.Duration
	Up  bool // came from the caller
	Raw []byte
}

// Frame is mono 16-bit audio with its place on its stream's timeline.
type Frame struct {
	At   time.Duration // of the first sample
	Rate int           // samples a second
	PCM  []int16       // owned by the sender of the frame; valid until the loop that yielded it goes on
	Lost bool          // concealed, not received
}

// Duration is how long the frame lasts; zero for a frame without a rate.
func (f Frame) Duration() time.Duration { return Samples(len(f.PCM), f.Rate) }

// Samples is how long n samples last at rate; zero when rate is not positive.
func Samples(n, rate int) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(n) * time.Second / time.Duration(rate)
}

// Source opens a stream under the reader's own ctx, so a reader can always end its wait. The stream
// ends when its origin ends or ctx does. What was not yielded stays for the next reader. One reader at a
// time.
type Source[T any] func(ctx context.Context) iter.Seq[T]

// From is a Source over a channel. It ends when c is closed or ctx is done; what is still in c then is
// left for the next reader.
func From[T any](c <-chan T) Source[T] {
	return func(ctx context.Context) iter.Seq[T] {
		return func(yield func(T) bool) {
			for {
				select {
				case v, ok := <-c:
					if !ok || !yield(v) {
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// Of is a Source of the given items: those not yet read stay for the next reader.
func Of[T any](items ...T) Source[T] {
	return func(ctx context.Context) iter.Seq[T] {
		return func(yield func(T) bool) {
			for len(items) > 0 && ctx.Err() == nil {
				v := items[0]
				items = items[1:]
				if !yield(v) {
					return
				}
			}
		}
	}
}

// Through is s with every reader's frames filtered: each opening of the stream begins a filter anew.
func Through(s Source[Frame], f Filter) Source[Frame] {
	return func(ctx context.Context) iter.Seq[Frame] { return f(s(ctx)) }
}
