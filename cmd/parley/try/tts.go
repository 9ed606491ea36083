package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/wav"
	"parley/media"
)

// TTSCmd has a voice speak.
type TTSCmd struct {
	Engine
	Text string `arg:"" help:"What is said, as one phrase."`
	Out  string `short:"o" placeholder:"FILE" env:"-" help:"Write the sound into this WAV file; - for standard output, what is told then goes to standard error."`
}

// Run prints when sound came, and writes it where it is wanted. Nothing is played.
func (c *TTSCmd) Run(ctx context.Context, out io.Writer) error { return c.run(ctx, out, os.Stderr) }

func (c *TTSCmd) run(ctx context.Context, out, beside io.Writer) error {
	if c.Out != "-" {
		return c.trial("tts", out).run(ctx, c.speak(out, c.Out))
	}
	// The header of a WAV file has its length: it is written once all is there.
	tmp, err := os.CreateTemp("", "parley-*.wav")
	if err != nil {
		return fmt.Errorf("make room for the sound: %w", err)
	}
	defer os.Remove(tmp.Name()) // what cannot be removed is the system's to clean up
	defer tmp.Close()
	err = c.trial("tts", beside).run(ctx, c.speak(beside, tmp.Name()))
	if _, e := io.Copy(out, tmp); e != nil {
		err = errors.Join(err, fmt.Errorf("write the sound: %w", e))
	}
	return err
}

// sound is what a voice has said.
type sound struct {
	path string
	file *wav.Writer // nil: nothing yet, or no path
	rate int
	long time.Duration
	wait time.Duration // how long a listener would have waited in it, had it been played as soon as it came
}

// take adds a frame that came so long after the first.
func (s *sound) take(f media.Frame, since time.Duration) error {
	if s.rate == 0 {
		s.rate = f.Rate
		if s.path != "" {
			file, err := wav.Create(s.path, f.Rate)
			if err != nil {
				return err
			}
			s.file = file
		}
	}
	if f.Rate != s.rate {
		return fmt.Errorf("the rate has changed from %d to %d Hz in mid-speech: the engine is at fault", s.rate, f.Rate)
	}
	s.wait = max(s.wait, since-s.long)
	s.long += f.Duration()
	if s.file == nil {
		return nil
	}
	return s.file.Write(f.PCM)
}

func (s *sound) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

func (c *TTSCmd) speak(out io.Writer, path string) func(context.Context, serve.Parts, *clock) error {
	return func(ctx context.Context, p serve.Parts, pace *clock) (err error) {
		s := sound{path: path}
		defer func() { err = errors.Join(err, s.close()) }()
		words := 0
		for a, e := range p.Voice.Speak(ctx, media.Of(c.Text)) {
			if err = e; err != nil {
				break
			}
			if len(a.PCM) > 0 {
				now := pace.tick()
				if s.rate == 0 {
					fmt.Fprintf(out, "%sfirst sound, %d Hz\n", at(now), a.Rate)
				}
				if err = s.take(a.Frame, now-pace.first); err != nil {
					break
				}
			}
			for _, w := range a.Words {
				words++
				fmt.Fprintf(out, "%sword at %.2f s: %s\n", at(time.Since(pace.began)), w.Start.Seconds(), printable(w.Text))
			}
		}
		s.tell(out, pace, words)
		if err == nil && s.long == 0 {
			err = errors.New("no sound came: is there anything to be said in the text?")
		}
		return err
	}
}

func (s *sound) tell(out io.Writer, pace *clock, words int) {
	total := time.Since(pace.began)
	line := []string{pace.summary("sound"), fmt.Sprintf("%s of sound in %s", short(s.long), short(total))}
	if s.wait > 0 {
		line = append(line, fmt.Sprintf("a listener would have waited %s in mid-speech", short(s.wait)))
	}
	if words > 0 {
		line = append(line, fmt.Sprintf("%d words with times", words))
	}
	fmt.Fprintln(out, strings.Join(line, "; "))
}
