package bench

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"time"

	"parley/internal/corpus"
	"parley/media"
	"parley/stt"
)

// wordErrors are counted over utterances.
type wordErrors struct{ errors, words int }

func (w wordErrors) share() float64 { return float64(w.errors) / float64(max(1, w.words)) }

// understand recognizes each utterance of what came, as many at once as there are processors.
func understand(ctx context.Context, r stt.Recognizer, t talking, c carried) (wordErrors, error) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		sum  wordErrors
		errs []error
	)
	room := make(chan struct{}, runtime.NumCPU())
	for _, u := range t.said {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			text, err := recognize(ctx, r, c.cut(u.from, u.to))
			wrong, words := corpus.WER(u.Text, text)
			mu.Lock()
			defer mu.Unlock()
			sum.errors, sum.words = sum.errors+wrong, sum.words+words
			errs = append(errs, err)
		})
	}
	all.Wait()
	return sum, errors.Join(errs...)
}

// cut is the sound of the packets from a number to another, with some silence around.
func (c *carried) cut(from, to int) (pcm []int16) {
	edge := int(netEdge / media.FrameDuration)
	from, to = from-c.first-edge, to-c.first+edge
	for _, f := range c.frames[max(0, min(from, len(c.frames))):max(0, min(to, len(c.frames)))] {
		pcm = append(pcm, f.pcm...)
	}
	return pcm
}

// recognize gives the text of one utterance.
func recognize(ctx context.Context, r stt.Recognizer, pcm []int16) (text string, err error) {
	in := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			const size = media.ListenRate / 50
			var at time.Duration
			for i := 0; i+size <= len(pcm) && ctx.Err() == nil; i += size {
				a := stt.Audio{Voice: true}
				a.At, a.Rate, a.PCM = at, media.ListenRate, pcm[i:i+size]
				if !yield(a) {
					return
				}
				at += media.FrameDuration
			}
			last := stt.Audio{Flush: true}
			last.At, last.Rate = at, media.ListenRate
			yield(last)
		}
	}
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			return "", err
		}
		if res.Kind == stt.Final {
			text = res.Text
		}
	}
	return text, nil
}
