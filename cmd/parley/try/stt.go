package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/wav"
	"parley/media"
	"parley/media/resample"
	"parley/stt"
)

const (
	longest = 4 * time.Hour         // of a file: half a gigabyte
	size    = media.ListenRate / 50 // samples a frame
	below   = 30                    // dB under the loudest frame: softer is no voice
	before  = 15                    // frames that belong to the voice after them
	after   = 50                    // and to the voice before
)

// STTCmd has a recognizer hear a file.
type STTCmd struct {
	Engine
	File string `arg:"" type:"path" help:"A WAV file: any rate from 4 to 192 kHz, any number of channels."`
	Fast bool   `env:"-" help:"Give the sound as fast as it is read, instead of at the speed of speech."`
}

// Run prints every result with its time.
func (c *STTCmd) Run(ctx context.Context, out io.Writer) error {
	pcm, err := heard(c.File, out)
	if err != nil {
		return err
	}
	return c.trial("stt", out).run(ctx, c.hear(out, pcm))
}

// heard is a file as recognizers hear it.
func heard(path string, out io.Writer) ([]int16, error) {
	a, err := wav.ReadFile(path, longest)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && len(a.PCM) > 0:
		fmt.Fprintf(out, "%v; what there is of it is heard\n", err)
	case err != nil:
		return nil, err
	case len(a.PCM) == 0:
		return nil, fmt.Errorf("read %s: it holds no sound at all", path)
	}
	if err := resample.Check(a.Rate, media.ListenRate); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	r := resample.New(a.Rate, media.ListenRate)
	return r.Flush(r.Process(a.PCM, nil)), nil
}

// frames are the sound as a conversation would hand it over: frames of 20 ms, with their voice marked and flushes
// where it ends.
func frames(pcm []int16) []stt.Audio {
	pcm = append(pcm[:len(pcm):len(pcm)], make([]int16, (size-len(pcm)%size)%size)...)
	all := make([]stt.Audio, len(pcm)/size)
	levels := make([]float64, len(all))
	loudest := -120.0
	for i := range all {
		all[i].Frame = media.Frame{At: media.Samples(i*size, media.ListenRate), Rate: media.ListenRate, PCM: pcm[i*size : (i+1)*size]}
		levels[i] = wav.Level(all[i].PCM)
		loudest = max(loudest, levels[i])
	}
	for i, level := range levels {
		if level < loudest-below {
			continue
		}
		for k := max(0, i-before); k <= min(i+after, len(all)-1); k++ {
			all[k].Voice = true
		}
	}
	for i := range all {
		all[i].Flush = i+1 == len(all) || all[i].Voice && !all[i+1].Voice
	}
	return all
}

func (c *STTCmd) hear(out io.Writer, pcm []int16) func(context.Context, serve.Parts, *clock) error {
	return func(ctx context.Context, p serve.Parts, pace *clock) (err error) {
		f := &feed{frames: frames(pcm), fast: c.Fast, began: pace.began}
		var texts clock
		texts.began = pace.began
		for r, e := range p.Recognizer.Recognize(ctx, f.source) {
			if err = e; err != nil {
				break
			}
			now := pace.tick()
			if r.Text != "" {
				texts.tick()
			}
			fmt.Fprintf(out, "%s%s\n", at(now), f.line(r, now))
		}
		total := time.Since(pace.began)
		heard := media.Samples(len(pcm), media.ListenRate)
		fmt.Fprintf(out, "%s; %s of sound, %s in all", texts.summary("text"), short(heard), short(total))
		if f.answered {
			fmt.Fprintf(out, "; the last text %s after it was asked for", short(f.late))
		}
		fmt.Fprintln(out)
		return err
	}
}

// feed gives frames, each when its sound is over unless it is fast, and knows how long flushes were not answered.
type feed struct {
	fast     bool
	began    time.Time
	answered bool
	late     time.Duration // how long the last answer took

	mu     sync.Mutex // guards what follows: the recognizer reads in a goroutine of its own
	frames []stt.Audio
	asked  []flush
}

// flush is one that was given.
type flush struct{ at, when time.Duration }

func (f *feed) source(ctx context.Context) iter.Seq[stt.Audio] {
	return func(yield func(stt.Audio) bool) {
		for {
			a, ok := f.next(ctx)
			if !ok || !yield(a) {
				return
			}
		}
	}
}

// next is the next frame; false at the end, and when ctx has ended.
func (f *feed) next(ctx context.Context) (stt.Audio, bool) {
	f.mu.Lock()
	over := len(f.frames) == 0
	var a stt.Audio
	if !over {
		a = f.frames[0]
	}
	f.mu.Unlock()
	if over || !f.fast && !until(ctx, f.began.Add(a.At+a.Duration())) || ctx.Err() != nil {
		return a, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frames = f.frames[1:]
	if a.Flush {
		f.asked = append(f.asked, flush{at: a.At, when: time.Since(f.began)})
	}
	return a, true
}

// line is a result in words. A Final that reaches a flush answers it.
func (f *feed) line(r stt.Result, now time.Duration) string {
	s := fmt.Sprintf("%-8s  %6.2f–%.2f s", r.Kind, r.Start.Seconds(), r.End.Seconds())
	if r.Text != "" {
		s += "  " + printable(r.Text)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Kind == stt.Final && len(f.asked) > 0 && r.End >= f.asked[0].at {
		f.late, f.answered = now-f.asked[0].when, true
		f.asked = f.asked[1:]
		s += fmt.Sprintf("  (%s after it was asked for)", short(f.late))
	}
	return s
}

// until waits for a moment; false when ctx ended first.
func until(ctx context.Context, moment time.Time) bool {
	t := time.NewTimer(time.Until(moment))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
