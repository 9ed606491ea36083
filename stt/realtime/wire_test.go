package realtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// The cases are numbered as in the lists that every client of OpenAI's should prove.

// TestUpdateBeforeAudio5: the server checks that the update is first, and what is in it.
func TestUpdateBeforeAudio5(t *testing.T) {
	for _, tt := range []struct {
		o     Options
		input string
	}{
		{Options{}, `"transcription":{"model":"gpt-live-transcribe"},`},
		{Options{Language: "de"}, `"transcription":{"languages":["de"],"model":"gpt-live-transcribe"},`},
		{Options{Model: "gpt-transcribe", Language: "de,fr"}, `"transcription":{"languages":["de","fr"],"model":"gpt-transcribe"},`},
		{Options{Model: "gpt-4o-transcribe", Language: "en", Prompt: `"Parley"`}, `"transcription":{"language":"en","model":"gpt-4o-transcribe","prompt":"\"Parley\""},`},
		{Options{Model: "gpt-realtime-whisper", Delay: "low", Noise: "far_field"}, `"noise_reduction":{"type":"far_field"},"transcription":{"delay":"low","model":"gpt-realtime-whisper"},`},
	} {
		s := &service{update: `{"audio":{"input":{"format":{"rate":24000,"type":"audio/pcm"},` + tt.input + `"turn_detection":null}},"type":"transcription"}`}
		if o := hear(t, recognizer(t, s, tt.o), media.Of(turns(1, 2)...)); o.err != nil || o.text() != names(1, 2) {
			t.Errorf("heard %q, error %v", o.finals, o.err)
		}
	}
}

// TestSampleCounts5: of audio of any rate as many samples come as it lasts at 24 kHz, rounded up.
func TestSampleCounts5(t *testing.T) {
	for _, from := range []int{8000, 11025, 16000, 22050, 24000, 44100, 48000} {
		for _, n := range []int{from / 2, from/2 + 1, from/2 + 7} {
			pcm := slices.Repeat([]int16{5000}, n)
			s := &service{script: func(_ int, p *peer) {
				p.serve(nil)
				if want := (n*rate + from - 1) / from; len(p.sizes) != 1 || p.sizes[0] != want {
					p.fault("%d samples at %d Hz become %v, want %d", n, from, p.sizes, want)
				}
			}}
			if o := hear(t, recognizer(t, s, Options{}), media.Of(sampled(0, pcm, from)...)); o.err != nil || len(o.finals) != 1 {
				t.Errorf("heard %q, error %v", o.finals, o.err)
			}
		}
	}
}

// TestServerVAD6: a server that detects voice all the same does no harm with its news.
func TestServerVAD6(t *testing.T) {
	s := &service{script: func(_ int, p *peer) {
		for i := 0; ; i++ {
			m := p.next()
			switch m.Type {
			case "":
				return
			case "input_audio_buffer.append":
				p.send(map[string]any{"type": "input_audio_buffer.speech_started", "audio_start_ms": 10, "item_id": "item_1"})
			case "input_audio_buffer.commit":
				p.send(map[string]any{"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 10, "item_id": "item_1"})
				p.about(committed, "item_1", "previous_item_id", "")
				p.about(committed, "item_1", "previous_item_id", "") // once more
				p.about(completed, "item_1", "transcript", "Yes.")
			}
		}
	}}
	o := hear(t, recognizer(t, s, Options{}), media.Of(turns(1, 2)...))
	if o.err != nil || o.text() != "Yes." || !slices.Equal(o.partials, []string{"Yes."}) || len(o.results) != 2 {
		t.Errorf("got %+v, error %v", o.results, o.err)
	}
}

// monologue is speech of 23 s without a Flush or a longer pause: two items.
func monologue() []stt.Audio { return flushed(speech(time.Minute, append(say(1, 88), hush(60*ms)...))) }

// TestCompletedOutOfOrder7: items are told in the order of their commits, whatever the order in which they are completed;
// items of others and late news of old ones are in no text.
func TestCompletedOutOfOrder7(t *testing.T) {
	for name, confirm := range map[string]bool{"confirmed": true, "pieces first": false} {
		s := &service{script: func(_ int, p *peer) {
			var said [][]string
			for len(said) < 2 {
				m := p.next()
				switch m.Type {
				case "":
					return
				case "input_audio_buffer.commit":
					said = append(said, p.commit())
					if confirm {
						p.about(committed, p.name(p.items), "previous_item_id", p.name(p.items-1))
					}
				}
			}
			if confirm {
				p.about(completed, "item_of_another", "transcript", "Nobody said this.")
			} else {
				for i := range said {
					p.about(delta, p.name(i+1), "delta", said[i][0])
					p.about(committed, p.name(i+1), "", "")
				}
			}
			for _, i := range []int{1, 0} {
				p.about(completed, p.name(i+1), "transcript", strings.Join(said[i], " "))
				p.about(completed, p.name(i+1), "transcript", "Late.")
			}
			for i := range said {
				p.about(delta, p.name(i+1), "delta", "Later.")
				p.about(failed, p.name(i+1), "", "")
			}
			p.serve(nil)
		}}
		o := hear(t, recognizer(t, s, Options{}), media.Of(monologue()...))
		if n, _ := s.count(); o.err != nil || o.text() != names(1, 88) || n != 1 {
			t.Errorf("%s: heard %q on %d connections, error %v", name, o.finals, n, o.err)
		}
		for _, p := range o.partials {
			if strings.Contains(p, "Late") || strings.Contains(p, "Nobody") {
				t.Errorf("%s: partial %q", name, p)
			}
		}
	}
}

// TestFailedItem8: of two items of a speech the first fails; and of two turns the first.
func TestFailedItem8(t *testing.T) {
	fail := func(bad int) func(int, *peer) {
		return func(_ int, p *peer) {
			for {
				m := p.next()
				switch m.Type {
				case "":
					return
				case "input_audio_buffer.commit":
					text := strings.Join(p.commit(), " ")
					p.about(committed, p.name(p.items), "previous_item_id", p.name(p.items-1))
					if p.items == bad {
						p.about(delta, p.name(p.items), "delta", "Something")
						p.send(map[string]any{"type": failed, "item_id": p.name(p.items), "error": map[string]any{"code": "audio_unintelligible", "message": "Not with " + secret}})
						continue
					}
					p.about(completed, p.name(p.items), "transcript", text)
				}
			}
		}
	}
	j := &journal{t: t}
	log := Options{Logger: slog.New(slog.NewTextHandler(j, nil))}
	o := hear(t, recognizer(t, &service{script: fail(1)}, log), media.Of(monologue()...))
	text := strings.Fields(o.text())
	if lost := 88 - len(text); o.err != nil || lost < 38 || lost > 62 || o.text() != names(lost+1, 88) {
		t.Errorf("heard %q, error %v", o.text(), o.err)
	}
	o = hear(t, recognizer(t, &service{script: fail(1)}, log), media.Of(turns(2, 3)...))
	if o.err != nil || o.text() != "|"+names(4, 6) || j.count("was not transcribed") != 2 || j.count("Not with [key]") != 2 {
		t.Errorf("heard %q, error %v, log %q", o.finals, o.err, j.lines)
	}
}

// TestErrorEvent9: an error that is only mentioned is logged, one that refuses a commit leaves its Final without text, and
// one that refuses the configuration ends the call.
func TestErrorEvent9(t *testing.T) {
	for _, tt := range []struct {
		name, on, answer, code string
		text                   string
		class                  error
	}{
		{"only mentioned", "input_audio_buffer.append", "", "invalid_value", names(1, 3) + "|" + names(4, 6), nil},
		{"of a commit", "input_audio_buffer.commit", "commit", "input_audio_buffer_commit_empty", "|" + names(4, 6), nil},
		{"of the update", "session.update", "update", "invalid_model", "", provider.ErrBadRequest},
		{"of the update, no key for it", "session.update", "update", "permission_denied", "", provider.ErrAuth},
	} {
		j := &journal{t: t}
		s := &service{script: func(_ int, p *peer) {
			for m := p.next(); m.Type != tt.on; m = p.next() {
			}
			if tt.on == "input_audio_buffer.commit" {
				p.commit()
			}
			p.complain("invalid_request_error", tt.code, "Not with "+secret, tt.answer)
			p.serve(nil)
		}}
		o := hear(t, recognizer(t, s, Options{Logger: slog.New(slog.NewTextHandler(j, nil))}), media.Of(turns(2, 3)...))
		n, _ := s.count()
		if !errors.Is(o.err, tt.class) || o.text() != tt.text || n != 1 {
			t.Errorf("%s: heard %q on %d connections, error %v", tt.name, o.finals, n, o.err)
		}
		if tt.class == nil && j.count(tt.code+"): Not with [key]") != 1 || tt.class != nil && !strings.Contains(o.err.Error(), "configure the session") {
			t.Errorf("%s: log %q, error %v", tt.name, j.lines, o.err)
		}
	}
}

func TestUnknownEvent10(t *testing.T) {
	s := &service{script: func(_ int, p *peer) {
		p.raw(`{"type":"rate_limits.updated","rate_limits":[{"name":"tokens","remaining":5}]}`)
		p.raw(`{"type":"conversation.item.added","item":{"id":"item_1","content":[]},"item_id":{"not":"a name"},"delta":7}`)
		p.raw(`{"type":"conversation.item.input_audio_transcription.segment","item_id":"item_1","text":"No.","start":0.5}`)
		p.raw(` {"type":"of.tomorrow"} `)
		p.serve(nil)
	}}
	j := &journal{t: t}
	o := hear(t, recognizer(t, s, Options{Logger: slog.New(slog.NewTextHandler(j, nil))}), media.Of(turns(1, 3)...))
	if o.err != nil || o.text() != names(1, 3) || len(j.lines) > 0 {
		t.Errorf("heard %q, error %v, log %q", o.finals, o.err, j.lines)
	}
}

// TestMalformed: what is no event breaks the session; another takes over, and if all do so it is an error.
func TestMalformed(t *testing.T) {
	for name, send := range map[string]func(p *peer){
		"no JSON":      func(p *peer) { p.raw(`{"type":`) },
		"no object":    func(p *peer) { p.raw(`[]`) },
		"no type":      func(p *peer) { p.raw(`{"item_id":"item_1"}`) },
		"wrong fields": func(p *peer) { p.raw(`{"type":"` + delta + `","item_id":7}`) },
		"no item":      func(p *peer) { p.raw(`{"type":"` + completed + `","transcript":"Hello"}`) },
		"binary":       func(p *peer) { _ = p.c.Write(p.ctx, 2, []byte(`{"type":"x"}`)) },
	} {
		for _, times := range []int{1, 99} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := &service{script: func(n int, p *peer) {
					if n <= times {
						p.next()
						send(p)
						p.serve(nil)
						return
					}
					p.serve(nil)
				}}
				o := hear(t, recognizer(t, s, Options{}), held(speech(0, say(1, 3)), ended(times == 1)))
				switch {
				case times == 1 && (o.err != nil || o.text() != names(1, 3)):
					t.Errorf("heard %q, error %v", o.finals, o.err)
				case times > 1 && (!errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "malformed")):
					t.Errorf("error %v", o.err)
				}
			})
		}
	}
}

// TestClosed11 ends sessions in several ways after so many messages, in mid-word or not: every word is heard once.
func TestClosed11(t *testing.T) {
	for name, end := range map[string]func(p *peer){
		"internal error": func(p *peer) { _ = p.c.Close(1011, "The server had an error.") },
		"after an hour":  func(p *peer) { p.expire() },
		"in order":       func(p *peer) { _ = p.c.Close(1000, "") },
		"reset":          func(p *peer) { _ = p.c.CloseNow() },
	} {
		for _, every := range []int{5, 11, 23} {
			for _, live := range []bool{false, true} {
				t.Run(fmt.Sprint(name, every, live), func(t *testing.T) {
					t.Parallel()
					s := &service{live: live}
					s.script = func(n int, p *peer) {
						stop := func(message) bool { return p.messages >= every+5*n && n%4 != 0 }
						if p.serve(stop); p.messages >= every {
							end(p)
						}
					}
					o := hear(t, recognizer(t, s, Options{}), media.Of(turns(3, 8)...))
					if want := names(1, 8) + "|" + names(9, 16) + "|" + names(17, 24); o.err != nil || o.text() != want {
						t.Errorf("heard %q, error %v", o.finals, o.err)
					}
					if n, _ := s.count(); n < 3 {
						t.Errorf("%d connections", n)
					}
				})
			}
		}
	}
}

// TestLostAfterCommit11: the session ends between a commit and its text, which the next one is asked for.
func TestLostAfterCommit11(t *testing.T) {
	s := &service{script: func(n int, p *peer) {
		if n > 2 {
			p.serve(nil)
			return
		}
		for m := p.next(); m.Type != "input_audio_buffer.commit"; m = p.next() {
		}
		p.about(committed, "item_1", "", "")
		p.about(delta, "item_1", "delta", "w1")
		_ = p.c.Close(1011, "")
	}}
	o := hear(t, recognizer(t, s, Options{}), media.Of(turns(2, 3)...))
	if n, _ := s.count(); o.err != nil || o.text() != names(1, 3)+"|"+names(4, 6) || n != 3 {
		t.Errorf("heard %q on %d connections, error %v", o.finals, n, o.err)
	}
}

// TestRotation11 is a call at a hundredth of its scale: a limit of 36 s in place of 60 min, for two minutes of speech,
// which pass as fast as the server hears them. It ends a session that is older, as the service does; every word is heard
// once. Sessions are replaced at half a minute, of a speech that goes on earlier, for an item is not a hundredth of its length; or
// never, and the service's limit is hit.
func TestRotation11(t *testing.T) {
	for name, tt := range map[string]struct {
		frames []stt.Audio
		rotate time.Duration
		words  int
	}{
		"turns":               {turns(30, 14), 30 * time.Second, 420},
		"one speech":          {flushed(speech(time.Hour, say(1, 450))), 15 * time.Second, 450},
		"turns, limit hit":    {turns(30, 14), time.Hour, 420},
		"a speech, limit hit": {flushed(speech(time.Hour, say(1, 450))), time.Hour, 450},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{live: true}
			s.script = func(_ int, p *peer) {
				p.serve(func(message) bool {
					if p.total < 36*rate {
						return false
					}
					if tt.rotate < time.Minute {
						p.fault("a session is too old")
					}
					p.expire()
					return true
				})
			}
			var heard atomic.Int64
			heard.Store(int64(time.Hour))
			r := recognizer(t, s, Options{Rotate: tt.rotate})
			o := hear(t, noting(r, &heard), following(tt.frames, &heard))
			got, want := strings.Fields(strings.ReplaceAll(o.text(), "|", " ")), strings.Fields(names(1, tt.words))
			if o.err != nil || !slices.Equal(got, want) {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("%d words, error %v; from word %d on %q", len(got), o.err, i, got[i:min(i+5, len(got))])
			}
			if n, most := s.count(); n < 4 || most > 2 {
				t.Errorf("%d connections, at most %d at once: want at least 4, and 2", n, most)
			}
		})
	}
}

// noting is r; the end of all that it hears is stored.
func noting(r stt.Recognizer, heard *atomic.Int64) stt.RecognizerFunc {
	return func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				heard.Store(int64(res.End))
				if !yield(res, err) {
					return
				}
			}
		}
	}
}

// following gives frames that lie at most 5 s behind what was heard.
func following(frames []stt.Audio, heard *atomic.Int64) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for _, f := range frames {
				for until := time.Now().Add(5 * time.Second); f.At-time.Duration(heard.Load()) > 5*time.Second && time.Now().Before(until) && ctx.Err() == nil; {
					time.Sleep(ms)
				}
				if ctx.Err() != nil || !yield(f) {
					return
				}
			}
		}
	}
}

// TestOneSession: turns share a session, also after a Flush in mid-speech; silence is not sent.
func TestOneSession(t *testing.T) {
	for _, live := range []bool{false, true} {
		s := &service{live: live}
		s.script = func(_ int, p *peer) {
			p.serve(nil)
			if at := media.Samples(p.total, rate); at > 20*time.Second {
				p.fault("%v of audio came", at)
			}
		}
		frames := turns(3, 5)
		flush := slices.Clone(frames)
		for i := len(frames) / 2; ; i++ {
			if flush[i].Voice && flush[i+1].Voice {
				flush[i].Flush = true // in mid-word: the second turn is heard again
				break
			}
		}
		quiet := speech(last(flush), hush(time.Minute))
		more := flushed(speech(last(quiet), say(16, 20)))
		o := hear(t, recognizer(t, s, Options{}), media.Of(slices.Concat(flush, quiet, more)...))
		n, _ := s.count()
		if o.err != nil || len(o.finals) != 5 || n != 1 || o.finals[2] != names(6, 10) || starts(o)[1] != starts(o)[2] || o.finals[4] != names(16, 20) {
			t.Errorf("heard %q on %d connections, error %v", o.finals, n, o.err)
		}
	}
}

// starts are those of the Finals.
func starts(o outcome) (at []time.Duration) {
	for _, r := range o.results {
		if r.Kind == stt.Final {
			at = append(at, r.Start)
		}
	}
	return at
}

// TestNoEmptyCommit12: the server complains of every commit of less than 100 ms.
func TestNoEmptyCommit12(t *testing.T) {
	frames := func(at time.Duration, pcm []int16) []stt.Audio { return flushed(speech(at, pcm)) }
	for _, tt := range []struct {
		name    string
		in      []stt.Audio
		finals  int
		commits int
	}{
		{"silence", frames(0, hush(time.Second)), 1, 0},
		{"twice", append(frames(0, append(say(1, 1), hush(500*ms)...)), stt.Audio{Frame: media.Frame{At: time.Second, Rate: 16000}, Flush: true}), 2, 1},
		{"a frame", frames(0, slices.Repeat([]int16{9000}, 320)), 1, 1},
		{"a sample", frames(0, []int16{9000}), 1, 1},
		{"nothing", nil, 0, 0},
		{"no samples", []stt.Audio{{Frame: media.Frame{At: time.Second, Rate: 16000}, Voice: true, Flush: true}}, 1, 0},
	} {
		var commits atomic.Int64
		s := &service{script: func(_ int, p *peer) {
			p.serve(nil)
			commits.Store(int64(len(p.sizes)))
		}}
		o := hear(t, recognizer(t, s, Options{}), media.Of(tt.in...))
		if n, _ := s.count(); n > 0 {
			<-s.gone
		}
		if o.err != nil || len(o.finals) != tt.finals || int(commits.Load()) != tt.commits {
			t.Errorf("%s: finals %q, %d commits, error %v", tt.name, o.finals, commits.Load(), o.err)
		}
	}
}

// TestSilenceAfterCommit: what is only silence behind the last commit of a speech is cleared, and the next item has none of it.
func TestSilenceAfterCommit(t *testing.T) {
	begin := speech(0, slices.Concat(say(1, 40), hush(400*ms)))
	begin = flushed(begin)
	next := flushed(speech(last(begin)+5*time.Second, say(41, 42)))
	s := &service{script: func(_ int, p *peer) {
		cleared := 0
		p.serve(func(m message) bool {
			if m.Type == "input_audio_buffer.clear" {
				cleared++
			}
			return false
		})
		if len(p.sizes) != 2 || cleared != 1 || p.sizes[1] > rate {
			p.fault("items of %v samples, %d times cleared", p.sizes, cleared)
		}
	}}
	o := hear(t, recognizer(t, s, Options{}), media.Of(append(begin, next...)...))
	if o.err != nil || o.text() != names(1, 40)+"|"+names(41, 42) {
		t.Errorf("heard %q, error %v", o.finals, o.err)
	}
}

// TestLongMessage11 is of more than 32 KiB.
func TestLongMessage11(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("long ", 20000))
	s := &service{script: func(_ int, p *peer) {
		for m := p.next(); m.Type != "input_audio_buffer.commit"; m = p.next() {
		}
		p.about(delta, "item_1", "delta", long)
		p.about(completed, "item_1", "transcript", long)
		p.serve(nil)
	}}
	o := hear(t, recognizer(t, s, Options{}), media.Of(turns(1, 1)...))
	if o.err != nil || o.text() != long || len(o.partials) != 1 {
		t.Errorf("heard %d bytes, %d partials, error %v", len(o.text()), len(o.partials), o.err)
	}
}

func TestUnicode(t *testing.T) {
	const text = "e\u0301 日本語 👩‍👩‍👧 שלום"
	s := &service{script: func(_ int, p *peer) {
		for m := p.next(); m.Type != "input_audio_buffer.commit"; m = p.next() {
		}
		for i := range text {
			p.about(delta, "item_1", "delta", strings.SplitAfter(text[i:], "")[0])
		}
		p.about(completed, "item_1", "transcript", text+"\n")
		p.serve(nil)
	}}
	o := hear(t, recognizer(t, s, Options{}), media.Of(turns(1, 1)...))
	if o.err != nil || o.text() != text || len(o.partials) == 0 || o.partials[len(o.partials)-1] != text {
		t.Errorf("heard %q and %q, error %v", o.partials, o.finals, o.err)
	}
}
