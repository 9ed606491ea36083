package cassette

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/media/record"
	"parley/stt"
)

// TestBundle goes through a bundle on a disk.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	w, err := record.New(dir, record.Manifest{ID: "test-1"}, record.Options{Blobs: true})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	now := func() time.Duration { return time.Since(begun) }
	seq := uint64(0)
	s := &Sink{Now: now, Blob: w.Blob, Line: func(now time.Duration, line []byte) { seq++; w.Tape(seq, now, line) }}
	want, pcm := speak(t.Context(), s.Voice(slowVoice), "Hello.")
	w.Score(1, now(), voiceScore, 32*time.Millisecond, 0.5)
	w.Score(2, now(), "another", 32*time.Millisecond, 0.7)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, now, record.Taps{}); err != nil {
		t.Fatal(err)
	}
	name, err := record.Folder("test-1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := record.Open(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	got, sound := speak(t.Context(), c.Voice(Strict, nil), "Hello.")
	if len(got) != len(want) || !slices.Equal(sound, pcm) {
		t.Errorf("played %q, recorded %q; the same samples: %v", got, want, slices.Equal(sound, pcm))
	}
	if scores, _ := c.Detector().Open().Score(media.Frame{Rate: media.ListenRate, PCM: make([]int16, 640)}); len(scores) != 1 || scores[0].Voice != 0.5 {
		t.Errorf("scores %v", scores)
	}
}

func TestReadTellsOfDamage(t *testing.T) {
	m := lines(
		`{"engine":"llm","stream":1,"open":{"v":1,"print":"x"}}`,
		`{"engine":"llm","stream":1,"delta":{"text":"Hello"`,
		`{"engine":"llm","stream":1,"delta":{"text":"there","mood":"kind"}}`,
		`{"engine":"llm","stream":1,"dream":{"of":"sheep"}}`,
		`{"engine":"eye","stream":1,"open":{"v":3}}`,
		`{"engine":"llm","stream":0,"delta":{"text":"nobody"}}`,
		`{"engine":"tts","stream":1,"open":{"v":2}}`,
		`{"engine":"tts","stream":1,"phrase":"From tomorrow."}`,
		`{"engine":"tts","stream":2,"phrase":"Hello."}`,
		`{"engine":"tts","stream":2,"sound":{"rate":16000,"samples":2}}`,
		`{"engine":"tts","stream":2,"spoken":{"blob":"../../etc/passwd","whole":true}}`,
		`{"engine":"tts","stream":2,"sound":{"rate":16000,"samples":-2}}`,
		`{"engine":"tts","stream":2,"sound":{"rate":16000,"samples":99999999}}`,
		`{"engine":"llm","stream":1,"delta":{"end":"stop","after":-5}}`,
		`{"engine":"llm","stream":1,"end":{}}`,
	)
	m.entries = append(m.entries, record.Entry{Kind: record.Gap, Of: record.Tape, Count: 3, Now: time.Minute, Name: "the disk did not keep up"})
	c, err := read(m.log(), m.blob)
	if c == nil || err == nil {
		t.Fatalf("%v, %v", c, err)
	}
	for _, want := range []string{"line 2 at 1s", "line 6 at 5s", "its stream is 0", "has format 2", "no such blob", "a sound of -2 samples",
		"a sound of 99999999", "3 lines of the tape from 0s to 1m0s were not kept: the disk"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 7 {
		t.Errorf("%d errors:\n%v", n, err)
	}
	if got := say(t.Context(), c.Model(Nearest), ask("Hi.")); len(got) != 2 || !strings.HasSuffix(got[0], " there") {
		t.Errorf("what could be read of the model: %q", got)
	}
	if got, _ := speak(t.Context(), c.Voice(Strict, nil), "Hello."); len(got) != 1 || !strings.Contains(got[0], "2@16000") {
		t.Errorf("what could be read of the voice: %q", got)
	}
}

func TestReadBoundsItsErrors(t *testing.T) {
	m := lines(slices.Repeat([]string{"{"}, 100)...)
	c, err := read(m.log(), m.blob)
	if n := strings.Count(err.Error(), "\n") + 1; c == nil || n != troubleMost+1 || !strings.HasSuffix(err.Error(), "and 80 errors more") {
		t.Errorf("%d lines of errors: %v", n, err)
	}
	c, err = read(func(yield func(record.Entry, error) bool) { yield(record.Entry{}, errGone) }, m.blob)
	if c != nil || err == nil {
		t.Errorf("of a log that cannot be read: %v, %v", c, err)
	}
}

// TestEmpty plays a record of nothing.
func TestEmpty(t *testing.T) {
	c := newMemory().cassette(t)
	if c.Detector() != nil || c.Finisher(nil) != nil {
		t.Error("there is a detector or finisher of no scores")
	}
	if got := say(t.Context(), c.Model(Nearest), ask("Hi.")); len(got) != 1 || !strings.Contains(got[0], "no answer was recorded") {
		t.Errorf("the model: %q", got)
	}
	if got := hear(t.Context(), c.Recognizer(), flushed(0, 100*time.Millisecond, 50*time.Millisecond)); len(got) != 1 || !strings.Contains(got[0], `final 60ms–60ms ""`) {
		t.Errorf("the recognizer: %q", got)
	}
}

func TestLongRequestsAreLeftOut(t *testing.T) {
	m := newMemory()
	model := m.sink(true).Model(caller)
	long := ask(strings.Repeat("very ", lineMost/5))
	say(t.Context(), model, long)
	for _, e := range m.entries {
		if len(e.Raw) > 1000 {
			t.Fatalf("a line of %d bytes", len(e.Raw))
		}
	}
	c := m.cassette(t)
	if got := say(t.Context(), c.Model(Strict), long); len(got) < 3 {
		t.Errorf("its print does not find it: %q", got)
	}
	if got := say(t.Context(), c.Model(Strict), ask("short")); !strings.Contains(got[0], "the request of answer 1 is not in the record") {
		t.Errorf("%q", got)
	}
}

func TestErrorsAreShort(t *testing.T) {
	e := failed(fmt.Errorf("%w: %s", errGone, strings.Repeat("é", 1000)))
	if len(e.Error) > 300 || !strings.HasSuffix(e.Error, "é…") || e.Class != "unavailable" {
		t.Errorf("%d bytes, class %q: %s", len(e.Error), e.Class, e.Error)
	}
}

// FuzzTape reads any lines and plays what was read.
func FuzzTape(f *testing.F) {
	f.Add([]byte(strings.Join(tapeOfHearing, "\x00")))
	text, err := os.ReadFile("testdata/tape.golden")
	if err != nil {
		f.Fatal(err)
	}
	var tape []byte
	for l := range bytes.Lines(text) {
		_, l, _ = bytes.Cut(l, []byte(" "))
		tape = append(append(tape, l...), 0)
	}
	f.Add(tape)
	f.Add([]byte(`{"engine":"tts","stream":1,"phrase":"a"}` + "\x00" + `{"engine":"tts","stream":1,"sound":{"rate":-1,"samples":4194304}}`))
	f.Fuzz(func(t *testing.T, tape []byte) {
		m := newMemory()
		for i, l := range bytes.Split(tape, []byte{0}) {
			m.entries = append(m.entries, record.Entry{Kind: record.Tape, Now: time.Duration(i) * time.Second, Seq: uint64(i), Raw: l})
		}
		m.blobs["b"] = tape
		c, err := read(m.log(), m.blob)
		if c == nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
			defer cancel()
			say(ctx, c.Model(Nearest), ask("Hi."))
			finals, failed := 0, false
			for res, err := range c.Recognizer().Recognize(ctx, media.Of(utterances...)) {
				if failed = err != nil; res.Kind == stt.Final {
					finals++
				}
			}
			if !failed && finals < 2 {
				t.Errorf("%d Finals for two flushes", finals)
			}
			for _, p := range c.phrases[:min(len(c.phrases), 4)] {
				for range c.Voice(Nearest, nil).Speak(ctx, media.Of(p.text)) {
				}
			}
		})
	})
}

// utterances is six seconds with two flushes.
var utterances = func() (frames []stt.Audio) {
	for i := range 300 {
		f := media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
		frames = append(frames, stt.Audio{Frame: f, Flush: i == 50 || i == 250})
	}
	return frames
}()
