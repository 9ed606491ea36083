package line

import (
	"testing"
	"time"

	"parley/media"
)

// ticker writes frames to a Down at 20 ms each and keeps what was sent.
type ticker struct {
	*Down
	n    int
	sent []media.Packet
	tick []int // of each packet
}

func newTicker(t testing.TB) *ticker { return newTickerOf(t, media.Opus) }

func newTickerOf(t testing.TB, c media.Codec) *ticker {
	k := &ticker{}
	var err error
	k.Down, err = NewDown(DownOptions{Rate: media.SpeakRate, Codec: c, Send: func(p media.Packet) {
		k.sent = append(k.sent, p)
		k.tick = append(k.tick, k.n)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *ticker) write(n int, pcm []int16) {
	for range n {
		k.Write(media.Frame{At: time.Duration(k.n) * media.FrameDuration, Rate: media.SpeakRate, PCM: pcm})
		k.n++
	}
}

func TestSilenceCostsAFrameEach400ms(t *testing.T) {
	k := newTicker(t)
	k.write(500, nil)
	if st := k.Stats(); len(k.sent) != 50 || st.Packets != 50 || st.Spurts != 0 || st.Audible || st.Level != noSound {
		t.Fatalf("%d packets in 10 s of silence, %+v", len(k.sent), st)
	}
	for i, p := range k.sent {
		if tick := 20*(i/2) + i%2; k.tick[i] != tick || p.Seq != k.sent[0].Seq+uint16(i) || p.Time != k.sent[0].Time+uint32(960*tick) {
			t.Errorf("packet %d: tick %d, number +%d, time +%d", i, k.tick[i], p.Seq-k.sent[0].Seq, p.Time-k.sent[0].Time)
		}
		if pause := len(p.Payload) == 1; pause != (i%2 == 1) || len(p.Payload) > 100 || p.Marker {
			t.Errorf("packet %d: %d bytes, marker %v", i, len(p.Payload), p.Marker)
		}
	}
}

func TestSpurt(t *testing.T) {
	k := newTicker(t)
	k.write(7, nil)
	k.write(10, speech(0, media.SpeakRate))
	k.write(60, nil)
	k.write(1, speech(0, media.SpeakRate)[:100]) // the rest of the frame is silence
	k.write(5, nil)
	k.write(2, append(speech(0, media.SpeakRate), 1, 2, 3))   // what is beyond the frame is not sent
	ticks := []int{0, 1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, // speech
		17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, // twelve frames and the end
		49, 50, 69, 70, 77, 78, 79, 80, 81, 82, 83, 84}
	if len(k.sent) != len(ticks) {
		t.Fatalf("%d packets at %v", len(k.sent), k.tick)
	}
	for i, p := range k.sent {
		n := k.tick[i]
		if n != ticks[i] || p.Seq != k.sent[0].Seq+uint16(i) || p.Time != k.sent[0].Time+uint32(960*n) {
			t.Errorf("packet %d: tick %d, number +%d, time +%d", i, n, p.Seq-k.sent[0].Seq, p.Time-k.sent[0].Time)
		}
		if want := n == 7 || n == 77 || n == 83; p.Marker != want {
			t.Errorf("tick %d: marker %v", n, p.Marker)
		}
		if short := len(p.Payload) == 1; short != (n == 1 || n == 29 || n == 50 || n == 70) {
			t.Errorf("tick %d: %d bytes", n, len(p.Payload))
		}
		if audible := p.Level < noSound; audible != (n >= 7 && n < 17 || n == 77 || n >= 83) {
			t.Errorf("tick %d: level %d", n, p.Level)
		}
	}
	st := k.Stats()
	if st.Spurts != 3 || st.Packets != uint64(len(ticks)) || st.Failed != 0 || !st.Audible {
		t.Errorf("%+v", st)
	}
	var sum int
	for _, p := range k.sent {
		sum += len(p.Payload)
	}
	if st.Bytes != uint64(sum) {
		t.Errorf("%d bytes counted, %d sent", st.Bytes, sum)
	}
}

// A spurt does not depend on what was said before, so it can be decoded by one who missed that.
func TestSpurtBeginsAnew(t *testing.T) {
	var first [2]string
	for i := range first {
		k := newTicker(t)
		k.write(10*i, speech(i, media.SpeakRate))
		k.write(30, nil)
		n := len(k.sent)
		k.write(1, speech(0, media.SpeakRate))
		first[i] = string(k.sent[n].Payload)
	}
	if first[0] != first[1] {
		t.Error("a spurt after another begins with another packet")
	}
}

// A packet sent stays as it was.
func TestPayloadIsItsOwn(t *testing.T) {
	k := newTicker(t)
	k.write(1, speech(0, media.SpeakRate))
	first := string(k.sent[0].Payload)
	k.write(20, speech(1, media.SpeakRate))
	if string(k.sent[0].Payload) != first {
		t.Error("a payload was overwritten")
	}
}

func TestDownAllocatesThePayloadOnly(t *testing.T) {
	d, err := NewDown(DownOptions{Rate: media.SpeakRate, Send: func(media.Packet) {}})
	if err != nil {
		t.Fatal(err)
	}
	pcm := speech(0, media.SpeakRate)
	at := time.Duration(0)
	if n := testing.AllocsPerRun(100, func() { at += 20 * ms; d.Write(media.Frame{At: at, PCM: pcm}) }); n != 1 {
		t.Errorf("%v allocations a frame of speech", n)
	}
	if n := testing.AllocsPerRun(400, func() { at += 20 * ms; d.Write(media.Frame{At: at}) }); n != 0 { // the average, rounded down
		t.Errorf("%v allocations a frame of silence", n)
	}
}

func TestLevel(t *testing.T) {
	square := []int16{-32768, 32767, -32768, 32767}
	for _, c := range []struct {
		pcm  []int16
		want int8
	}{{square, 0}, {speech(0, 24000), 9}, {make([]int16, 10), 127}, {[]int16{1, 0, 0, 0}, 96}, {nil, 127}} {
		if got := level(c.pcm); got != c.want {
			t.Errorf("level %d, want %d", got, c.want)
		}
	}
}

func TestWrongRate(t *testing.T) {
	if _, err := NewDown(DownOptions{Rate: 22050}); err == nil {
		t.Error("a downlink at 22050 Hz")
	}
	if _, err := NewUp(UpOptions{Rate: 44100}); err == nil {
		t.Error("an uplink at 44100 Hz")
	}
}

func BenchmarkDownSpeech(b *testing.B) { benchmarkDown(b, speech(0, media.SpeakRate)) }

func BenchmarkDownSilence(b *testing.B) { benchmarkDown(b, nil) }

func benchmarkDown(b *testing.B, pcm []int16) {
	d, err := NewDown(DownOptions{Rate: media.SpeakRate, Send: func(media.Packet) {}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := range b.N {
		d.Write(media.Frame{At: time.Duration(n) * media.FrameDuration, PCM: pcm})
	}
}
