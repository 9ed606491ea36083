// Package rotate is a speech recognizer whose provider hears streams that do not last: it ends them after minutes or
// hours, when nothing comes, or when something breaks. The caller sees one stream.
//
// Audio is on a tape until its text is settled. A stream is fed from the tape. Before its provider ends it
// (Options.Rotate) the next is begun and told all that is not settled; both hear what follows until the next has its
// first words, or at once where nothing is unsettled: then it takes over, and what the old one said of that audio no
// longer counts. A stream that broke off is followed by another in the same way, after a pause that grows, a few times
// in a row. What was settled is not heard again, so no word is lost or doubled.
//
// There are two kinds of provider.
//
//   - Those that can be asked to settle all they have heard, by the end of a stream's audio. Their streams are open only
//     while somebody speaks: from a little before the voice to a flush, or to 2 s of silence, which has a Final, too. If
//     a flush comes in the middle of speech, up to 5 s of the sentence are recognized again with what follows, and the
//     Result of the same Start is replaced.
//   - Those that would rather have one stream a call (Options.Steady). A flush is answered when the text behind the last
//     voice is settled, or stable, or when nothing new has come for a while. Silence is sent where input is missing.
//     Voice that goes on in the same segment continues the Result of the same Start; speech that nobody flushes is told
//     in Partials only.
package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// Options are a provider and its ways.
type Options struct {
	// Open begins a stream for audio of a rate, in samples a second. It may block; ctx ends it and all of the stream.
	Open   func(ctx context.Context, rate int) (Link, error)
	Chunk  time.Duration // of audio, a message
	Pace   int           // so many times faster than it was spoken is audio sent at most; 0: as fast as it goes
	Rate   int           // of the audio; 0: any from 8000 to 48000
	Rotate time.Duration // the age at which a stream is replaced where a text is settled
	Late   time.Duration // the age at which it is replaced in any case
	Steady *Steady       // nil: the end of a stream's audio settles its text
	Limits Limits
	Again  Again
	Logger *slog.Logger // streams opened again; nil discards
}

// Steady is for providers that cannot be asked to settle without ending their stream.
type Steady struct {
	Idle   time.Duration // for how long missing input is sent as silence; then the stream is ended until audio comes
	Settle time.Duration // without news after which a flush takes the text as it is
	Wait   time.Duration // after which a flush is answered in any case
}

// Limits are how long a call waits. Zero is no limit.
type Limits struct {
	Connect    time.Duration // to open a stream
	Absent     time.Duration // without any stream while one is wanted; only if Steady
	First, Gap time.Duration // how much voice may have no answer: before the first answer of a call, and after it
	Settle     time.Duration // from the end of a stream's audio to its last text
	Total      time.Duration // all waiting of a call
}

// Again is how often a stream that failed is followed by another.
type Again struct {
	Tries int           // in a row, without progress between them
	Pause time.Duration // before the first; each further one waits twice as long
	Busy  time.Duration // the same where the provider has no room
}

// Link is one stream at a provider. Each function blocks for the ctx that it was opened with at most. Recv is called by
// one goroutine, Send and Finish by another.
type Link struct {
	Send   func(pcm []byte) error // s16le; the slice is the caller's again afterwards
	Finish func() error           // no more audio: what is still to be said comes, then io.EOF
	Recv   func() (Reply, error)  // errors should be a *Failure, or io.EOF
	Close  func()                 // frees what the end of the ctx does not; nil: nothing
}

// Reply is what a provider says of the audio of one stream. Times count from the stream's first sample.
type Reply struct {
	Settled Part // recognized for good since the last settled part
	Open    Part // comes behind that, and may still change
	Stable  bool // but no word of Open will
	Mark    Mark
	At      time.Duration // of Mark
}

// Part is text and where it was said.
type Part struct {
	Text       string
	Start, End time.Duration // 0: not told
	Words      []stt.Word    // nil when not known
}

// says reports whether there is text in it.
func (r Reply) says() bool { return r.Settled.Text != "" || r.Open.Text != "" }

// first is where its text begins.
func (r Reply) first() time.Duration {
	if r.Settled.Text != "" {
		return r.Settled.Start
	}
	return r.Open.Start
}

// last is where what it says ends; 0 if it does not tell.
func (r Reply) last() time.Duration { return max(r.Settled.End, r.Open.End) }

// Mark is what else a provider says of a voice.
type Mark uint8

// The marks of a Reply.
const (
	None   Mark = iota
	Began       // a voice is heard
	Ended       // no voice is heard anymore
	Enough      // no more audio is wanted on this stream
)

// Cut is how a stream ended before its time.
type Cut uint8

// The ways in which a stream ends.
const (
	Fatal   Cut = iota // the same again would end the same
	Passing            // a failure that may pass
	Once               // one that seldom passes
	Busy               // the provider has no room
	Limit              // it was too long or too quiet: no failure
)

// Failure is an error of a stream.
type Failure struct {
	Err error // has a class of package provider
	Cut Cut
}

// Error is that of Err.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap is Err.
func (f *Failure) Unwrap() error { return f.Err }

// Judge tells how a stream ended. Over and done is Limit, too: the provider wanted no more.
func Judge(err error) Cut {
	var f *Failure
	switch {
	case err == io.EOF:
		return Limit
	case errors.As(err, &f):
		return f.Cut
	}
	return Fatal
}

// Recognize follows the contract of package stt. what is what its errors say was tried.
func Recognize(ctx context.Context, in media.Source[stt.Audio], o Options, what string) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		c := newCall(o, yield)
		err := c.serve(ctx, in)
		switch {
		case c.out.left || err == nil && ctx.Err() == nil:
			return
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case err == io.EOF:
			err = fmt.Errorf("%s: %w: the stream was ended again and again", what, provider.ErrUnavailable)
		default:
			err = fmt.Errorf("%s: %w", what, err)
		}
		yield(stt.Result{}, err)
	}
}
