package sttest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/stt"
	"parley/stt/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	source = media.Source[stt.Audio]
	stream = iter.Seq2[stt.Result, error]
)

// good is a recognizer that keeps the rules, to be broken.
func good() stt.Recognizer { return script.New(script.Options{Lines: []string{"hello"}}) }

// mapped is good with every result changed.
func mapped(change func(r stt.Result) []stt.Result) stt.RecognizerFunc {
	return func(ctx context.Context, in source) stream {
		return func(yield func(stt.Result, error) bool) {
			for r, err := range good().Recognize(ctx, in) {
				out := []stt.Result{r}
				if err == nil {
					out = change(r)
				}
				for _, r := range out {
					if !yield(r, err) {
						return
					}
				}
			}
		}
	}
}

// final changes the Finals only.
func final(change func(r stt.Result) []stt.Result) stt.RecognizerFunc {
	return mapped(func(r stt.Result) []stt.Result {
		if r.Kind == stt.Final {
			return change(r)
		}
		return []stt.Result{r}
	})
}

// checksum hears, at each flush, the sum of samples that look returns for each frame.
func checksum(look func(pcm []int16) func() int) stt.RecognizerFunc {
	return func(ctx context.Context, in source) stream {
		return func(yield func(stt.Result, error) bool) {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			var sums []func() int
			for a := range in(own) {
				sums = append(sums, look(a.PCM))
				if a.Flush {
					sum := 0
					for _, s := range sums {
						sum += s()
					}
					if !yield(stt.Result{Kind: stt.Final, Text: fmt.Sprint(sum), Start: base, End: a.At}, nil) {
						return
					}
				}
			}
			if err := context.Cause(ctx); err != nil {
				yield(stt.Result{}, err)
			}
		}
	}
}

func sum(pcm []int16) (n int) {
	for _, s := range pcm {
		n += int(s)
	}
	return n
}

// fault is a recognizer that breaks one rule, the check that finds it and what that check says.
type fault struct {
	name, check, says string
	r                 stt.Recognizer
}

// unruly are recognizers that break the rules of every stream function.
func unruly(stop <-chan struct{}) []fault {
	var busy sync.Mutex
	return []fault{
		{"reads before the loop", "nothing before the loop", "opened before the loop", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			for range in(ctx) {
				break
			}
			return good().Recognize(ctx, in)
		})},
		{"works before the loop", "nothing before the loop", "goroutines left behind", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			go func() { <-stop }()
			return good().Recognize(ctx, in)
		})},
		{"leaves a goroutine", "leave at every yield", "goroutines left behind", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				go func() { <-stop }()
				good().Recognize(ctx, in)(yield)
			}
		})},
		{"opens the input with the caller's ctx", "leave at every yield", "not canceled when the loop has ended", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return good().Recognize(ctx, func(context.Context) iter.Seq[stt.Audio] { return in(ctx) })
		})},
		{"goes on after it was left", "leave at every yield", "panicked", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				for r, err := range good().Recognize(ctx, in) {
					yield(r, err)
				}
			}
		})},
		{"does not hear the end of ctx", "cancel at every yield, input held", "did not end in time", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				good().Recognize(ctx, in)(yield)
				<-stop
			}
		})},
		{"hears the end of ctx late", "cancel while it waits, input held", "want at most 50ms", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				good().Recognize(ctx, in)(yield)
				time.Sleep(60 * time.Millisecond)
			}
		})},
		{"hides the cause", "cancel at every yield, input held", "want the cause", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				for r, err := range good().Recognize(ctx, in) {
					if err != nil {
						err = ctx.Err()
					}
					if !yield(r, err) {
						return
					}
				}
			}
		})},
		{"ends without the cause", "canceled before the loop", "want the cause", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				for r, err := range good().Recognize(ctx, in) {
					if err != nil || !yield(r, err) {
						return
					}
				}
			}
		})},
		{"goes on after an error", "cancel at every yield, input held", "must be the last", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				for r, err := range good().Recognize(ctx, in) {
					if !yield(r, err) || err != nil && !yield(stt.Result{}, nil) {
						return
					}
				}
			}
		})},
		{"serves one call at a time", "concurrent calls", "busy", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				if !busy.TryLock() {
					yield(stt.Result{}, errors.New("busy"))
					return
				}
				defer busy.Unlock()
				time.Sleep(20 * time.Millisecond)
				good().Recognize(ctx, in)(yield)
			}
		})},
	}
}

// mistaken are recognizers whose results are wrong.
func mistaken() []fault {
	return []fault{
		{"hears nothing", "whole answer", "nothing was heard", final(func(r stt.Result) []stt.Result { r.Text = ""; return []stt.Result{r} })},
		{"keeps the frames", "whole answer", "heard ", checksum(func(pcm []int16) func() int { return func() int { return sum(pcm) } })},
		{"gives two Finals", "a Final for every flush", "8 Finals for 4", final(func(r stt.Result) []stt.Result { return []stt.Result{r, r} })},
		{"gives no Final in silence", "flush without voice", "0 Finals", final(func(r stt.Result) []stt.Result {
			if r.Text == "" {
				return nil
			}
			return []stt.Result{r}
		})},
		{"hears text in silence", "flush without voice", "of silence", final(func(r stt.Result) []stt.Result { r.Text = "you"; return []stt.Result{r} })},
		{"ends a Final before its flush", "a Final for every flush", "before its flush", final(func(r stt.Result) []stt.Result { r.End = r.Start; return []stt.Result{r} })},
		{"waits for more audio", "a Final for every flush", "before the input went on", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return good().Recognize(ctx, func(ctx context.Context) iter.Seq[stt.Audio] {
				return func(yield func(stt.Audio) bool) {
					var held []stt.Audio
					for a := range in(ctx) {
						held = append(held, a)
						if len(held) > 1 && !yield(held[len(held)-2]) {
							return
						}
					}
					if len(held) > 0 {
						yield(held[len(held)-1])
					}
				}
			})
		})},
		{"forgets what was not flushed", "input ends without a flush", "0 Finals for 1", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				for r, err := range good().Recognize(ctx, in) {
					if r.Kind == stt.Final || !yield(r, err) {
						return
					}
				}
			}
		})},
		{"hears text in nothing", "empty input", "of nothing", stt.RecognizerFunc(func(ctx context.Context, in source) stream {
			return func(yield func(stt.Result, error) bool) {
				yield(stt.Result{Text: "you", Kind: stt.Final, Start: base, End: base}, nil)
			}
		})},
		{"gives an Onset text", "whole answer", "an Onset has no text", mapped(func(r stt.Result) []stt.Result { r.Text = "hello"; return []stt.Result{r} })},
		{"counts from zero", "whole answer", "no place on an input", mapped(func(r stt.Result) []stt.Result { r.Start -= base; r.End -= base; return []stt.Result{r} })},
		{"places words after their end", "whole answer", "word ", final(func(r stt.Result) []stt.Result {
			r.Words = []stt.Word{{Text: "hello", Start: r.End, End: r.End + time.Second}}
			return []stt.Result{r}
		})},
	}
}

func TestFindsFaults(t *testing.T) {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for _, tt := range append(unruly(stop), mistaken()...) {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{New: func(testing.TB) stt.Recognizer { return tt.r }, Patience: time.Second}
			if tt.name == "keeps the frames" {
				o.Heard = heardSum
			}
			said := streamtest.Failures(t, checks(o), tt.check)
			if !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("%q said %q, want %q", tt.check, said, tt.says)
			}
		})
	}
}

// heardSum accepts the sum of the samples of tone.
func heardSum(text string) error {
	if want := fmt.Sprint(sum(tone())); text != want {
		return fmt.Errorf("heard %s, want %s", text, want)
	}
	return nil
}

// TestPasses shows that the overwritten frames are found because they were kept, not for another reason.
func TestPasses(t *testing.T) {
	r := checksum(func(pcm []int16) func() int { n := sum(pcm); return func() int { return n } })
	o := Options{New: func(testing.TB) stt.Recognizer { return r }, Heard: heardSum}
	if said := streamtest.Failures(t, checks(o), "whole answer"); len(said) > 0 {
		t.Errorf("%q", said)
	}
}

// TestBrokenProvider has a stage that would notice its provider's failure only with the next frame.
func TestBrokenProvider(t *testing.T) {
	failed := errors.New("the provider has failed")
	deaf := stt.RecognizerFunc(func(ctx context.Context, in source) stream {
		return func(yield func(stt.Result, error) bool) {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			for range in(own) {
			}
			yield(stt.Result{}, failed)
		}
	})
	alert := stt.RecognizerFunc(func(ctx context.Context, in source) stream {
		return func(yield func(stt.Result, error) bool) {
			own, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			time.AfterFunc(10*time.Millisecond, func() { cancel(failed) })
			for range in(own) {
			}
			yield(stt.Result{}, context.Cause(own))
		}
	})
	for name, r := range map[string]stt.Recognizer{"deaf": deaf, "alert": alert} {
		ok := func(testing.TB) stt.Recognizer { return r }
		o := Options{New: ok, Broken: ok, Patience: 300 * time.Millisecond}
		said := streamtest.Failures(t, checks(o), "provider fails while the input is silent")
		if (len(said) > 0) != (name == "deaf") {
			t.Errorf("%s: %q", name, said)
		}
	}
}
