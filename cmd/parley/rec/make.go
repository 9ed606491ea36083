package rec

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"parley/media"
	"parley/media/record"
)

// side says whose sound is meant.
type side string

// tracks are the channels of a side.
func (s side) tracks() []record.Kind {
	switch s {
	case "caller":
		return []record.Kind{record.Up}
	case "agent":
		return []record.Kind{record.Down}
	}
	return []record.Kind{record.Up, record.Down}
}

// PlayCmd plays.
type PlayCmd struct {
	Where
	Side string `env:"-" enum:"both,caller,agent" default:"both" help:"Whose sound: ${enum}. Both: the caller left, the agent right."`
	Rate int    `env:"-" default:"24000" help:"Samples a second: 8000, 12000, 16000, 24000 or 48000. Codecs of the telephone network have their own."`
	To   string `placeholder:"FILE" type:"path" env:"-" help:"Write to this file. Default: to standard output if that is a pipe or a file, else to ID.wav."`
}

// Run writes a WAV file to out, or to the file that it then names there.
func (c *PlayCmd) Run(ctx context.Context, out io.Writer) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	defer b.Close()
	write := func(w io.Writer) error { return b.WAV(until(ctx, w), c.Rate, side(c.Side).tracks()...) }
	if c.To == "" && !terminal(out) {
		return write(out)
	}
	to := c.To
	if to == "" {
		to = b.ID + ".wav"
	}
	if err := create(to, write); err != nil {
		return err
	}
	fmt.Fprintln(out, to)
	return nil
}

// terminal reports that out is a screen, which WAV would spoil.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// writer is a function that writes.
type writer func(b []byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// until writes to out as long as ctx lasts.
func until(ctx context.Context, out io.Writer) io.Writer {
	return writer(func(b []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return out.Write(b)
	})
}

// create writes a file that is there whole or not at all.
func create(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".parley-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	w := bufio.NewWriter(f)
	if err = errors.Join(write(w), w.Flush(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// ExportCmd exports.
type ExportCmd struct {
	Where
	Out  string `required:"" placeholder:"DIR" type:"path" env:"-" help:"Write into this folder, which is made."`
	Rate int    `env:"-" default:"24000" help:"Samples a second of the WAV files: 8000, 12000, 16000, 24000 or 48000."`
}

// Run writes the files and names each.
func (c *ExportCmd) Run(ctx context.Context, out io.Writer) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return fmt.Errorf("export %s: %w", b.ID, err)
	}
	type file struct {
		name  string
		write func(io.Writer) error
	}
	wav := func(tracks ...record.Kind) func(io.Writer) error {
		return func(w io.Writer) error { return b.WAV(w, c.Rate, tracks...) }
	}
	ogg := func(k record.Kind) func(io.Writer) error {
		return func(w io.Writer) error { return b.Ogg(w, k) }
	}
	files := []file{
		{"user.wav", wav(record.Up)}, {"agent.wav", wav(record.Down)}, {"stereo.wav", wav(record.Up, record.Down)},
		{"user.classes.jsonl", func(w io.Writer) error { return writeClasses(b, record.Up, w) }},
		{"agent.classes.jsonl", func(w io.Writer) error { return writeClasses(b, record.Down, w) }},
		{"log.jsonl", func(w io.Writer) error { return writeLog(b, w) }},
		{"transcript.json", func(w io.Writer) error { return writeTranscript(b, w) }},
		{"captions.vtt", func(w io.Writer) error { return writeCaptions(b, w) }},
	}
	if b.Codec == "" || b.Codec == media.Opus {
		files = append(files, file{"user.opus", ogg(record.Up)}, file{"agent.opus", ogg(record.Down)})
	}
	var errs []error
	for _, f := range files {
		path := filepath.Join(c.Out, f.name)
		if err := create(path, func(w io.Writer) error { return f.write(until(ctx, w)) }); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(out, path)
	}
	return errors.Join(errs...)
}

// span is a stretch of a track with one class.
type span struct {
	At       float64 `json:"at"`       // s, of the session clock
	Duration float64 `json:"duration"` // s
	Class    string  `json:"class"`
}

// writeClasses writes the classes of a track, one JSON object a stretch.
func writeClasses(b *record.Bundle, k record.Kind, out io.Writer) error {
	enc := json.NewEncoder(out)
	var s span
	for p, err := range b.Track(k, 8000) {
		if err != nil {
			return err
		}
		if name := p.Class.String(); name != s.Class {
			if s.Class != "" {
				if err := enc.Encode(s); err != nil {
					return err
				}
			}
			s = span{At: p.At.Seconds(), Class: name}
		}
		s.Duration = (p.At + p.Duration()).Seconds() - s.At
	}
	if s.Class == "" {
		return nil
	}
	return enc.Encode(s)
}
