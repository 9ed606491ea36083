package fault

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// Model is m with the fault. If m is an [llm.Warmer], so is it; warming never fails.
func (f Fault) Model(m llm.Model) llm.Model {
	var calls atomic.Int64
	faulty := llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			n := int(calls.Add(1))
			in := m.Generate(ctx, req)
			if !f.Hits(thinks, n) {
				in(yield)
				return
			}
			switch f.Name {
			case "empty-answer":
				in = one(ctx, llm.Delta{End: llm.Stop})
			case "runaway-answer":
				in = runaway(ctx, in)
			default:
				in = disturbed(ctx, f, f.middle(thinks, n), in, llm.Delta{Text: broken}, func(d llm.Delta) bool { return d.End != "" })
			}
			in(yield)
		}
	})
	if w, ok := m.(llm.Warmer); ok {
		return warmModel{faulty, w}
	}
	return faulty
}

type warmModel struct {
	llm.Model
	llm.Warmer
}

// Voice is v with the fault.
func (f Fault) Voice(v tts.Voice) tts.Voice {
	var calls atomic.Int64
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			n := int(calls.Add(1))
			in := v.Speak(ctx, text)
			if f.Hits(speaks, n) {
				odd := tts.Audio{Frame: media.Frame{At: -time.Second, Rate: 12347, PCM: make([]int16, 7)},
					Words: []tts.Word{{Text: broken, Start: time.Hour, End: -time.Hour}}}
				in = disturbed(ctx, f, f.middle(speaks, n), in, odd, func(tts.Audio) bool { return false })
			}
			in(yield)
		}
	})
}

// Recognizer is r with the fault. What would end a call at once ends it in place of the Final that is hit, because a
// recognizer is called before anybody has spoken.
func (f Fault) Recognizer(r stt.Recognizer) stt.Recognizer {
	var finals atomic.Int64
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				if err == nil && res.Kind == stt.Final && f.Hits(hears, int(finals.Add(1))) {
					err = f.final(ctx, &res, yield)
					if err == errLeft {
						return
					}
				}
				if err != nil {
					res = stt.Result{}
				}
				if !yield(res, err) || err != nil {
					return
				}
			}
		}
	})
}

// final does to a Final what the fault does. The error ends the call.
func (f Fault) final(ctx context.Context, res *stt.Result, yield func(stt.Result, error) bool) error {
	switch f.Name {
	case "slow-first-byte":
		return wait(ctx, f.Wait)
	case "late-final":
		if err := wait(ctx, f.Wait); err != nil {
			return err
		}
		if !yield(*res, nil) {
			return errLeft
		}
		return context.Cause(ctx)
	case "empty-answer":
		res.Text, res.Words = "", nil
		return nil
	case "malformed-chunk":
		odd := stt.Result{Kind: stt.Final, Text: broken, Start: -time.Hour, End: -2 * time.Hour,
			Words: []stt.Word{{Text: broken, Start: time.Hour, End: -time.Hour}}}
		if !yield(odd, nil) {
			return errLeft
		}
	case "stalled-stream":
		if err := wait(ctx, f.Wait); err != nil {
			return err
		}
	}
	return f.fails(ctx)
}

// disturbed is a stream that the fault meets after some items, or where it would end (last tells its end's item): odd is what
// comes of it malformed.
func disturbed[T any](ctx context.Context, f Fault, some int, in iter.Seq2[T, error], odd T, last func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if f.atOnce() {
			yield(none, f.fails(ctx))
			return
		}
		if f.Name == "slow-first-byte" {
			late(ctx, f.Wait, in, yield)
			return
		}
		n := 0
		for v, err := range in {
			if err == nil && (n == some || last(v)) {
				break
			}
			if n++; !yield(v, err) || err != nil {
				return
			}
		}
		if f.Name == "malformed-chunk" && ctx.Err() == nil && !yield(odd, nil) {
			return
		}
		err := error(nil)
		if f.Name == "stalled-stream" {
			err = wait(ctx, f.Wait)
		}
		if err == nil {
			err = f.fails(ctx)
		}
		yield(none, err)
	}
}

// late passes a stream on, its first item by d later.
func late[T any](ctx context.Context, d time.Duration, in iter.Seq2[T, error], yield func(T, error) bool) {
	first := true
	for v, err := range in {
		if first {
			first = false
			if ended := wait(ctx, d); ended != nil {
				var none T
				yield(none, ended)
				return
			}
		}
		if !yield(v, err) {
			return
		}
	}
}

// one is a stream of one item.
func one[T any](ctx context.Context, v T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := context.Cause(ctx); err != nil {
			var none T
			yield(none, err)
			return
		}
		yield(v, nil)
	}
}

// runaway is an answer that goes on: when it would stop, it says 2000 words more and ends for its length.
func runaway(ctx context.Context, in iter.Seq2[llm.Delta, error]) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		for d, err := range in {
			if err == nil && d.End != "" {
				break
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
		words := strings.Fields("and then there is one more thing that I would like to tell you. ")
		for i := range 2000 {
			if err := context.Cause(ctx); err != nil {
				yield(llm.Delta{}, err)
				return
			}
			if !yield(llm.Delta{Text: " " + words[i%len(words)]}, nil) {
				return
			}
		}
		yield(llm.Delta{End: llm.Length}, nil)
	}
}
