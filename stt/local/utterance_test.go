package local

import (
	"slices"
	"testing"
	"time"

	"parley/media"
	"parley/stt"
)

const ms = time.Millisecond

// at plays audio into e from one time to another in frames of 20 ms, and returns where utterances began.
func (e *ear) at(from, to time.Duration, voice bool) (onsets []time.Duration) {
	for at := from; at < to; at += 20 * ms {
		a := stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: make([]int16, 320)}, Voice: voice}
		if e.hear(a) {
			onsets = append(onsets, at)
		}
	}
	return onsets
}

// flush asks for a Final at a time, in a frame without samples.
func (e *ear) flush(at time.Duration) { e.hear(stt.Audio{Frame: media.Frame{At: at}, Flush: true}) }

func TestUtterancesBeginAndEnd(t *testing.T) {
	type span struct{ from, to time.Duration }
	for _, tt := range []struct {
		name   string
		voice  []span
		flush  bool // after each span
		onsets []time.Duration
		jobs   int
	}{
		{"silence", nil, false, nil, 0},
		{"one", []span{{200 * ms, 900 * ms}}, true, []time.Duration{200 * ms}, 1},
		{"a pause", []span{{0, 1000 * ms}, {2200 * ms, 3000 * ms}}, true, []time.Duration{0}, 2},
		{"a silence", []span{{0, 1000 * ms}, {2220 * ms, 3000 * ms}}, true, []time.Duration{0, 2220 * ms}, 2},
		{"a pause without a flush", []span{{0, 1000 * ms}, {2000 * ms, 3000 * ms}}, false, []time.Duration{0}, 0},
		{"a silence without a flush", []span{{0, 1000 * ms}, {4000 * ms, 5000 * ms}}, false, []time.Duration{0, 4000 * ms}, 1},
		{"long speech, cut at a pause", []span{{0, 12 * time.Second}, {12200 * ms, 13 * time.Second}}, false, []time.Duration{0, 12200 * ms}, 1},
		{"long speech, not cut at a gap", []span{{0, 12 * time.Second}, {12180 * ms, 13 * time.Second}}, false, []time.Duration{0}, 0},
		{"speech without end", []span{{0, 45 * time.Second}}, false, []time.Duration{0, 20 * time.Second, 40 * time.Second}, 2},
	} {
		var e ear
		var onsets []time.Duration
		jobs := 0
		now := time.Duration(0)
		for _, v := range tt.voice {
			e.at(now, v.from, false)
			onsets = append(onsets, e.at(v.from, v.to, true)...)
			if now = v.to; tt.flush {
				e.flush(now)
				jobs += len(e.jobs)
				e.decoded("text")
				e.jobs = nil
			}
		}
		if jobs += len(e.jobs); !slices.Equal(onsets, tt.onsets) || jobs != tt.jobs {
			t.Errorf("%s: onsets at %v and %d jobs, want %v and %d", tt.name, onsets, jobs, tt.onsets, tt.jobs)
		}
	}
}

func TestOnlyVoiceAndShortPausesAreKept(t *testing.T) {
	var e ear
	e.at(0, 1000*ms, false)
	e.at(1000*ms, 2000*ms, true)
	e.at(2000*ms, 3000*ms, false) // of which 200 ms are kept
	e.at(3000*ms, 3500*ms, true)
	e.at(3500*ms, 3600*ms, false) // all kept
	e.flush(3600 * ms)
	if got := media.Samples(len(e.jobs[0].pcm), media.ListenRate); got != 1800*ms {
		t.Errorf("%v of audio to decode, want 1.8 s", got)
	}
}

func TestFlushesOfOneUtterance(t *testing.T) {
	var e ear
	e.flush(100 * ms) // before anyone has spoken
	if j := e.jobs[0]; !j.done || j.text != "" || j.start != 100*ms || j.ends[0] != 100*ms {
		t.Errorf("first of all: %+v", j)
	}
	e.jobs = nil

	e.at(200*ms, 1200*ms, true)
	e.flush(1300 * ms)
	e.flush(1400 * ms) // adds nothing, the first is not yet decoded
	if len(e.jobs) != 1 || e.jobs[0].behind || len(e.jobs[0].ends) != 2 {
		t.Fatalf("two flushes: %+v", e.jobs)
	}
	e.at(1400*ms, 1800*ms, true)
	e.flush(1900 * ms) // adds voice
	if j := e.jobs[0]; len(e.jobs) != 1 || !j.behind || len(j.ends) != 3 || len(j.pcm) != 16*1400 {
		t.Fatalf("a third with more voice: %+v", e.jobs)
	}
	e.decoded("hello")
	e.jobs = nil

	e.flush(2000 * ms) // repeats what is known
	if j := e.jobs[0]; !j.done || j.text != "hello" || j.start != 200*ms || j.ends[0] != 2000*ms {
		t.Errorf("repeated: %+v", j)
	}
	e.jobs = nil
	e.close()
	e.flush(9 * time.Second)
	if j := e.jobs[0]; !j.done || j.text != "" || j.start != 9*time.Second {
		t.Errorf("after the utterance: %+v", j)
	}
}

func TestFlushesOfTwoUtterancesStayApart(t *testing.T) {
	var e ear
	e.at(0, 500*ms, true)
	e.flush(600 * ms)
	e.at(3000*ms, 3500*ms, true)
	e.flush(3600 * ms)
	if len(e.jobs) != 2 || e.jobs[0].start != 0 || e.jobs[1].start != 3000*ms {
		t.Errorf("%+v", e.jobs)
	}
	e.decoded("one") // the first, which is over
	if e.open.text != "" {
		t.Error("the text of one utterance was taken for the next one's")
	}
}
