package cassette

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/stt"
)

// Recorded on a timeline that begins at zero: a partial, a Final for the flush at 2 s, one for that at 4 s, a Final that came by
// itself, and then the provider was gone.
var tapeOfHearing = []string{
	`{"engine":"stt","stream":1,"open":{"v":1}}`,
	`{"engine":"stt","stream":1,"result":{"kind":"onset","start":500000000,"end":500000000,"heard":520000000,"after":5000000}}`,
	`{"engine":"stt","stream":1,"result":{"kind":"partial","text":"the red","start":500000000,"end":1200000000,"heard":1300000000,"after":10000000}}`,
	`{"engine":"stt","stream":1,"flush":2000000000}`,
	`{"engine":"stt","stream":1,"result":{"kind":"final","text":"the red house","start":500000000,"end":2000000000,"words":[
		{"text":"the","start":500000000,"end":700000000},{"text":"red","start":700000000,"end":1100000000},
		{"text":"house","start":1100000000,"end":1700000000}],"heard":2000000000,"after":300000000}}`,
	`{"engine":"stt","stream":1,"flush":4000000000}`,
	`{"engine":"stt","stream":1,"result":{"kind":"final","text":"is mine","start":3000000000,"end":4000000000,"heard":4000000000,"after":300000000}}`,
	`{"engine":"stt","stream":1,"result":{"kind":"final","text":"sure","start":4500000000,"end":4800000000,"heard":5000000000,"after":20000000}}`,
	`{"engine":"stt","stream":1,"result":{"kind":"whisper","text":"of a later program","start":0,"end":0}}`,
	`{"engine":"stt","stream":1,"end":{"error":"gone","class":"unavailable","heard":5200000000,"after":30000000}}`,
}

// flushed is the timeline with flushes at the given places, in frames of 20 ms.
func flushed(from, to time.Duration, at ...time.Duration) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for now := from; now < to; now += media.FrameDuration {
				if len(at) > 0 && at[0] <= now {
					if at = at[1:]; !yield(stt.Audio{Frame: media.Frame{At: now, Rate: media.ListenRate}, Flush: true}) {
						return
					}
				}
				if wait(ctx, media.FrameDuration) != nil || !yield(stt.Audio{Frame: media.Frame{At: now, Rate: media.ListenRate, PCM: make([]int16, 320)}}) {
					return
				}
			}
		}
	}
}

func TestFlushesElsewhere(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name     string
		from, to time.Duration
		flushes  []time.Duration
		want     string
		misses   int
	}{
		{"as recorded", 0, 4500 * ms, []time.Duration{2 * s, 4 * s},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 3s final 500ms–2s "the red house"; 5s final 3s–4s "is mine"`, 0},
		{"100 ms sooner", 0, 4500 * ms, []time.Duration{1900 * ms},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 2.9s final 500ms–2s "the red house"; 5.5s final 3s–4s "is mine"`, 0},
		{"by the words' times", 0, 2500 * ms, []time.Duration{1600 * ms},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 1.6s final 500ms–1.7s "the red house"`, 1},
		{"and the rest at the end", 0, 2500 * ms, []time.Duration{1400 * ms},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 1.4s final 500ms–1.4s "the red"; 3.5s final 500ms–2s "the red house"`, 1},
		{"by the newest result", 0, 1500 * ms, []time.Duration{1300 * ms},
			`525ms onset 500ms–500ms ""; 1.3s final 500ms–1.3s "the red"`, 1},
		{"before any words", 0, 1 * s, []time.Duration{200 * ms}, `200ms final 200ms–200ms ""; 525ms onset 500ms–500ms ""`, 1},
		{"much later", 0, 3 * s, []time.Duration{2900 * ms},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 3.9s final 500ms–2.9s "the red house"`, 1},
		{"one flush for two", 0, 4200 * ms, []time.Duration{4 * s},
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 5s partial 500ms–2s "the red house"; 5s final 3s–4s "is mine"`, 0},
		{"never", 0, 2200 * ms, nil,
			`525ms onset 500ms–500ms ""; 1.31s partial 500ms–1.2s "the red"; 3.2s final 500ms–2s "the red house"`, 0},
		{"a later call", 3500 * ms, 5100 * ms, []time.Duration{4 * s},
			`1.5s final 3s–4s "is mine"; 1.52s final 4.5s–4.8s "sure"`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := lines(tapeOfHearing...).cassette(t)
				got := strings.Join(hear(t.Context(), c.Recognizer(), flushed(tt.from, tt.to, tt.flushes...)), "; ")
				if got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if m := c.Misses(); len(m) != tt.misses {
					t.Errorf("misses %+v", m)
				}
			})
		})
	}
}

// TestHearingFails lets the first call fail where it failed, and the next go on.
func TestHearingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := lines(tapeOfHearing...).cassette(t).Recognizer()
		got := hear(t.Context(), r, flushed(3*time.Second, 8*time.Second))
		same(t, "recognizer", got, []string{`2.02s final 4.5s–4.8s "sure"`, "2.23s error gone"})
		same(t, "recognizer, second call,", hear(t.Context(), r, flushed(6*time.Second, 7*time.Second)), nil)
	})
}

// TestHearingIsCut has ctx end while a Final is on its way, and the consumer leave.
func TestHearingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lines(tapeOfHearing...).cassette(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, errors.New("hung up"))
		defer cancel()
		got := hear(ctx, c.Recognizer(), flushed(0, 5*time.Second, 2*time.Second))
		if last := got[len(got)-1]; last != "2.5s error hung up" {
			t.Errorf("the last was %s", last)
		}
		for res := range c.Recognizer().Recognize(t.Context(), flushed(0, 5*time.Second)) {
			if res.Kind != stt.Onset {
				t.Errorf("first came %v", res)
			}
			break
		}
	})
}
