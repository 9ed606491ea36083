package cassette

import (
	"context"
	"iter"
	"sync"
	"time"

	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// Model is m, recorded. If m is an [llm.Warmer], so is it; warming is not recorded.
func (s *Sink) Model(m llm.Model) llm.Model {
	r := recordedModel{s, m}
	if w, ok := m.(llm.Warmer); ok {
		return warmModel{r, w}
	}
	return r
}

type recordedModel struct {
	sink  *Sink
	inner llm.Model
}

type warmModel struct {
	recordedModel
	llm.Warmer
}

func (m recordedModel) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		asked := written(req)
		t := m.sink.open(thinks, &m.sink.thinking, opened{Print: asked.print(), Request: asked})
		end := ended{Cut: true}
		defer func() { t.put(line{End: &end}) }() // also when the consumer panics
		end = tee(ctx, t, m.inner.Generate(ctx, req), yield, func(d llm.Delta) {
			w := delta{Text: d.Text, End: d.End, After: t.after()}
			if c := d.Call; c != nil {
				w.Call = &call{c.ID, c.Name, string(c.Arguments)}
			}
			if u := d.Usage; u != nil {
				w.Usage = &usage{u.Prompt, u.Cached, u.Completion}
			}
			t.put(line{Delta: &w})
		})
	}
}

// Recognizer is r, recorded: what it says, and how much it had heard then. Its audio is not.
func (s *Sink) Recognizer(r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			e := ear{tape: s.open(hears, &s.hearing, opened{})}
			e.at = s.Now()
			end := ended{Cut: true}
			defer func() {
				end.Heard, end.After = e.heard()
				e.put(line{End: &end})
			}()
			end = tee(ctx, e.tape, r.Recognize(ctx, e.listen(in)), yield, e.result)
		}
	})
}

// ear is what a recognizer that is recorded has heard.
type ear struct {
	*tape
	mu  sync.Mutex
	any bool
	end time.Duration // of the newest frame
	at  time.Duration // when it was given
}

// listen is the input, with each frame noted as it is given.
func (e *ear) listen(in media.Source[stt.Audio]) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for a := range in(ctx) {
				e.mu.Lock()
				e.any, e.end, e.at = true, a.At+a.Duration(), e.sink.Now()
				e.mu.Unlock()
				if a.Flush {
					e.put(line{Flush: &a.At})
				}
				if !yield(a) {
					return
				}
			}
		}
	}
}

func (e *ear) heard() (to *time.Duration, after time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.any {
		end := e.end
		to = &end
	}
	return to, max(0, e.sink.Now()-e.at)
}

func (e *ear) result(r stt.Result) {
	w := result{Kind: r.Kind.String(), Text: r.Text, Start: r.Start, End: r.End}
	for _, v := range r.Words {
		w.Words = append(w.Words, word(v))
	}
	w.Heard, w.After = e.heard()
	e.put(line{Result: &w})
}

// Voice is v, recorded, with its sound if there is a Blob.
func (s *Sink) Voice(v tts.Voice) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			sp := speech{tape: s.open(speaks, &s.spoke, opened{})}
			end := ended{Cut: true}
			defer func() {
				sp.keep(false)
				sp.put(line{End: &end})
			}()
			end = tee(ctx, sp.tape, v.Speak(ctx, sp.read(text)), yield, sp.sound)
		}
	})
}

// blobMost is how many samples a blob holds.
const blobMost = 1 << 21

// speech is one call to a voice that is recorded.
type speech struct {
	*tape
	mu      sync.Mutex // a voice may read phrases in another goroutine than its loop's
	samples int        // of the phrase, that no spoken line has told of
	pcm     []int16    // the same, if sound is kept
}

// read is the phrases as the voice reads them.
func (sp *speech) read(text media.Source[string]) media.Source[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			for phrase := range text(ctx) {
				sp.keep(false)
				sp.put(line{Phrase: &phrase})
				sp.mark()
				if !yield(phrase) {
					return
				}
				sp.keep(true)
			}
		}
	}
}

func (sp *speech) sound(a tts.Audio) {
	w := sound{Rate: a.Rate, Samples: len(a.PCM), After: sp.after()}
	for _, v := range a.Words {
		w.Words = append(w.Words, word(v))
	}
	sp.put(line{Sound: &w})
	sp.mu.Lock()
	sp.samples += len(a.PCM)
	if sp.sink.Blob != nil {
		sp.pcm = append(sp.pcm, a.PCM...)
	}
	full := sp.samples >= blobMost
	sp.mu.Unlock()
	if full {
		sp.keep(false)
	}
}

// keep tells of the samples that were gathered, and whether they are all of their phrase.
func (sp *speech) keep(whole bool) {
	sp.mu.Lock()
	w := spoken{Samples: sp.samples, Whole: whole}
	pcm := sp.pcm
	sp.samples, sp.pcm = 0, nil
	sp.mu.Unlock()
	if w.Samples == 0 && !whole {
		return
	}
	if len(pcm) > 0 {
		if name, ok := sp.sink.Blob(sp.sink.Now(), packPCM(pcm)); ok {
			w.Blob = name
		}
	}
	sp.put(line{Spoken: &w})
}
