package caller

import (
	"testing"
	"time"

	"parley/internal/caller/callertest"
	"parley/media"
	"parley/media/codec"
)

func TestEarFollows(t *testing.T) {
	type in struct {
		at   time.Duration
		seq  uint16
		time uint32
		ssrc uint32
	}
	for _, c := range []struct {
		name  string
		in    []in
		place []time.Duration
		want  Stats
	}{
		{"in order, late arrival", []in{{100 * ms, 7, 960, 1}, {150 * ms, 8, 1920, 1}}, []time.Duration{100 * ms, 120 * ms}, Stats{Received: 2}},
		{"a pause of the sender", []in{{0, 7, 0, 1}, {400 * ms, 8, 19200, 1}}, []time.Duration{0, 400 * ms}, Stats{Received: 2}},
		{"two lost", []in{{0, 7, 0, 1}, {60 * ms, 10, 2880, 1}}, []time.Duration{0, 60 * ms}, Stats{Received: 2, Lost: 2}},
		{"one late", []in{{0, 7, 0, 1}, {40 * ms, 9, 1920, 1}, {41 * ms, 8, 960, 1}, {60 * ms, 10, 2880, 1}},
			[]time.Duration{0, 40 * ms, 20 * ms, 60 * ms}, Stats{Received: 4, Reordered: 1}},
		{"both counters wrap", []in{{0, 65535, 0xFFFFFFFF - 959, 1}, {20 * ms, 0, 0, 1}, {40 * ms, 1, 960, 1}},
			[]time.Duration{0, 20 * ms, 40 * ms}, Stats{Received: 3}},
		{"another stream", []in{{0, 7, 0, 1}, {50 * ms, 900, 77777, 2}}, []time.Duration{0, 50 * ms}, Stats{Received: 2, Restarts: 1}},
		{"a jump of a minute", []in{{0, 7, 0, 1}, {20 * ms, 8, 60 * 48000, 1}}, []time.Duration{0, 20 * ms}, Stats{Received: 2, Restarts: 1}},
	} {
		e, err := newEar(media.Opus, nil)
		if err != nil {
			t.Fatal(err)
		}
		var r record
		for i, p := range c.in {
			heard, stats := e.hear(media.Packet{At: p.at, Seq: p.seq, Time: p.time, SSRC: p.ssrc})
			r.heard(heard, stats)
			if heard.Place != c.place[i] || heard.Level != -120 {
				t.Errorf("%s: packet %d is at %v, want %v; %.0f dBFS", c.name, i, heard.Place, c.place[i], heard.Level)
			}
		}
		c.want.Invalid = c.want.Received // they hold nothing
		if r.stats != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, r.stats, c.want)
		}
	}
}

func TestEarHears(t *testing.T) {
	enc, err := codec.NewOpusEncoder(Rate, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]int{}
	e, err := newEar(media.Opus, func(at int64, pcm []int16) { got[at] += len(pcm) })
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, codec.MaxPayload)
	var last Packet
	for i := range 5 {
		n, err := enc.Encode(callertest.Tone(20*ms), buf)
		if err != nil {
			t.Fatal(err)
		}
		last, _ = e.hear(media.Packet{At: -20 * ms, Seq: uint16(i), Time: uint32(i) * 960, Payload: buf[:n]})
	}
	if last.Level < -23 || last.Level > -17 || last.Long != 20*ms || last.Place != 60*ms {
		t.Errorf("%+v", last)
	}
	if len(got) != 4 || got[0] != 2*frameSamples || got[960] != frameSamples { // what came before the beginning is put there
		t.Errorf("%v", got)
	}
}

func TestRecording(t *testing.T) {
	var r Recording
	second := make([]int16, Rate)
	for _, at := range []int64{Rate, 0, maxRecording - 1, maxRecording, maxRecording + 5, 0} {
		second[0]++
		r.Hear(at, second)
	}
	if got := r.Between(0, time.Hour); len(got) != maxRecording || got[0] != 6 || got[Rate] != 1 || got[maxRecording-1] != 3 {
		t.Errorf("%d samples, %d, %d, %d", len(got), got[0], got[Rate], got[len(got)-1])
	}
	if got := r.Between(time.Second, time.Second+time.Millisecond); len(got) != 16 || got[0] != 1 {
		t.Errorf("%v", got)
	}
	if a, b := r.Between(time.Hour, 2*time.Hour), r.Between(time.Second, 0); len(a)+len(b) != 0 {
		t.Errorf("%d samples after the end, %d of a time that runs backward", len(a), len(b))
	}
}
