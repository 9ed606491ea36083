package serve

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/vad"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/media/record"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

// story is a conversation that is recorded, with a pause.
type story struct {
	lines       []string           // what the caller says
	voice       [][2]time.Duration // when
	typed       map[time.Duration]agent.Input
	pause, goes time.Duration // the record is paused, and goes on
	length      time.Duration
}

func sec(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// microphone is the caller's sound.
func (s story) microphone(ctx context.Context) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		time.Sleep(3 * time.Millisecond)
		pcm := make([]int16, media.ListenRate/50)
		for t := time.Duration(0); t < s.length && ctx.Err() == nil; t += media.FrameDuration {
			time.Sleep(media.FrameDuration)
			clear(pcm)
			for _, v := range s.voice {
				for i := range pcm {
					if t >= v[0] && t < v[1] {
						pcm[i] = 8000
					}
				}
			}
			if !yield(media.Frame{At: t, Rate: media.ListenRate, PCM: pcm}) {
				return
			}
		}
	}
}

// keyboard is what the caller types and presses.
func (s story) keyboard(ctx context.Context) iter.Seq[agent.Input] {
	return func(yield func(agent.Input) bool) {
		for now := time.Duration(0); now < s.length; now += 50 * time.Millisecond {
			if in, ok := s.typed[now]; ok && !yield(in) {
				return
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}
}

// loud hears any sound as a voice.
var loud = vad.DetectorFunc(func() vad.Stream { return &loudStream{} })

type loudStream struct{ out [1]vad.Score }

func (l *loudStream) Score(f media.Frame) ([]vad.Score, error) {
	l.out[0] = vad.Score{At: f.At + f.Duration(), Level: -100}
	if f.PCM[0] != 0 {
		l.out[0].Voice, l.out[0].Level = 0.95, -20
	}
	return l.out[:], nil
}

// tell lives the story and returns the bundle and what the caller was told of its record.
func (s story) tell(t *testing.T, dir string) (path string, told []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		now := func() time.Duration { return time.Since(begin) }
		d := &deck{archive: &archive.Archive{Dir: dir}, speech: true, log: discard}
		w, err := record.New(dir, record.Manifest{ID: "c", Start: begin}, record.Options{Blobs: true})
		if err != nil {
			t.Fatal(err)
		}
		tp := d.tape("c", w, now, func(msg []byte) { told = append(told, string(msg)) })
		var up media.Relay[media.Packet]
		tp.taps.Up = up.Tap(100, media.DropNewest)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { tp.run(ctx, discard) })
		c := agent.Session{
			Recognizer: sttscript.New(sttscript.Options{Lines: s.lines}), Model: llmscript.Echo(), Voice: tone.Voice{}, Detector: loud,
			In: s.microphone, Input: s.keyboard, Out: media.NewPlayout(media.SpeakRate, func(media.Frame) {
				up.Send(media.Packet{At: now(), Seq: uint16(now() / media.FrameDuration), Payload: fmt.Appendf(nil, "<%d>", now()/time.Second)})
			}),
			Now: now, Trace: tp.note, Profile: agent.Profile{Greeting: "-"},
		}
		tp.record(&c)
		if s.pause > 0 {
			defer time.AfterFunc(s.pause, func() { tp.allow(caller, false) }).Stop()
			defer time.AfterFunc(s.goes, func() { tp.allow(caller, true) }).Stop()
		}
		_ = c.Run(t.Context()) // the caller's sound ends
		cancel()
		wg.Wait()
	})
	return filepath.Join(dir, "c.conv"), told
}

// everything is all bytes of a bundle, packed ones unpacked too.
func everything(t *testing.T, path string) string {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all.Write(b)
		if strings.HasSuffix(path, ".z") {
			_, err = io.Copy(&all, flate.NewReader(bytes.NewReader(b)))
			return err
		}
		for {
			i := bytes.Index(b, []byte("\xc3pr1"))
			if i < 0 || len(b) < i+20 {
				return nil
			}
			size, packed := binary.LittleEndian.Uint32(b[i+4:]), binary.LittleEndian.Uint32(b[i+8:])
			if b = b[i+20:]; packed > 0 {
				if _, err := io.Copy(&all, flate.NewReader(bytes.NewReader(b[:size]))); err != nil {
					return err
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// The caller talks of a secret in a pause of the record. Wherever in its turn the record goes on, the secret is not in it.
func TestSecretStaysOut(t *testing.T) {
	talk := story{
		lines: []string{"I live in Paris.", "My word is swordfish.", "What about birds?", "And what about cats?", "Tell me of dogs.", "And of whales.", "The end."},
		voice: [][2]time.Duration{{sec(1), sec(2)}, {sec(8), sec(9.5)}, {sec(20), sec(21)}, {sec(28), sec(29)}, {sec(36), sec(37)}, {sec(44), sec(45)}}, length: sec(52),
	}
	interrupted, united, written, keyed := talk, talk, talk, talk
	interrupted.voice = append([][2]time.Duration{{sec(11.5), sec(13)}}, talk.voice...)
	united.voice = append([][2]time.Duration{{sec(10.5), sec(12)}}, talk.voice...)
	written.typed = map[time.Duration]agent.Input{sec(9): {Kind: agent.Typed, Text: "It is swordfish."}, sec(14): {Kind: agent.Typed, Text: "I wrote that."}}
	keyed.typed = map[time.Duration]agent.Input{sec(9.5): {Kind: agent.Key, Text: "4"}, sec(9.6): {Kind: agent.Key, Text: "7"}, sec(9.7): {Kind: agent.Key, Text: "1"}, sec(9.8): {Kind: agent.Key, Text: "1"}}
	for name, s := range map[string]story{"told": talk, "interrupted": interrupted, "united": united, "written": written, "keyed": keyed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			without := everything(t, first(s.tell(t, t.TempDir())))
			for _, word := range []string{"swordfish", "Paris"} {
				if !strings.Contains(without, word) {
					t.Fatalf("without a pause %s is not in the record: this test finds nothing", word)
				}
			}
			s.pause = sec(7.5)
			for s.goes = sec(9.9); s.goes < sec(20); s.goes += sec(0.97) {
				path, told := s.tell(t, t.TempDir())
				all := everything(t, path)
				for _, word := range []string{"swordfish", "sword", "fish", "4 7 1", "<8>"} {
					if strings.Contains(all, word) {
						t.Errorf("resumed at %v: %q is in the record", s.goes, word)
					}
				}
				for _, word := range []string{"Paris", "whales", "the caller", `"withheld"`, fmt.Sprintf("<%d>", s.goes/time.Second+1)} {
					if !strings.Contains(all, word) {
						t.Errorf("resumed at %v: %q is not in the record", s.goes, word)
					}
				}
				if got := strings.Join(told, ""); got != `{"type":"recording","on":false,"by":"caller"}{"type":"recording","on":true,"by":"caller"}` {
					t.Errorf("told %s", got)
				}
			}
		})
	}
}

func first(path string, _ []string) string { return path }

// A turn that was begun in the pause is not in the record either, however long it goes on after that.
func TestSecretBegunInThePause(t *testing.T) {
	s := story{
		lines: []string{"Hello.", "It is swordfish, if you want to know.", "What about birds?", "Tell me of dogs.", "And of whales."},
		voice: [][2]time.Duration{{sec(1), sec(2)}, {sec(8), sec(12)}, {sec(20), sec(21)}, {sec(28), sec(29)}, {sec(36), sec(37)}}, length: sec(44),
		pause: sec(5),
	}
	for s.goes = sec(8.1); s.goes < sec(13); s.goes += sec(0.37) {
		all := everything(t, first(s.tell(t, t.TempDir())))
		if strings.Contains(all, "swordfish") {
			t.Errorf("resumed at %v: it is in the record", s.goes)
		}
		if !strings.Contains(all, "dogs") {
			t.Errorf("resumed at %v: what was said long after is not in the record", s.goes)
		}
	}
}

// After a pause the record is whole and what is kept of it sound: numbers go forward, nothing is damaged.
func TestPausedRecordVerifies(t *testing.T) {
	s := story{
		lines: []string{"Hello.", "It is swordfish.", "What about birds?", "Tell me of dogs."},
		voice: [][2]time.Duration{{sec(1), sec(2)}, {sec(8), sec(9)}, {sec(16), sec(17)}, {sec(24), sec(25)}}, length: sec(30), pause: sec(7), goes: sec(12),
	}
	b, err := record.Open(first(s.tell(t, t.TempDir())))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if r := b.Verify(); len(r.Problems) > 0 || r.Paused != 1 || r.Log.Scores < 500 || r.Log.Lines < 50 {
		t.Errorf("%+v", r)
	}
	kinds := map[string]int{}
	for e, err := range b.Log() {
		if err != nil {
			t.Fatal(err)
		}
		when := "before"
		switch {
		case e.Now >= s.pause && e.Now < s.goes:
			when = "in"
		case e.Now >= s.goes && e.Now < sec(17.5):
			when = "soon after"
		case e.Now >= s.goes:
			when = "after"
		}
		kinds[e.Kind.String()+" "+when]++
	}
	for _, kind := range []string{"line", "score", "tape"} {
		if kinds[kind+" before"] == 0 || kinds[kind+" in"] > 0 || kinds[kind+" soon after"] > 0 || kinds[kind+" after"] == 0 {
			t.Errorf("%s: %v", kind, kinds)
		}
	}
}
