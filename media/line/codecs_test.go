package line

import (
	"math"
	"testing"
	"time"

	"parley/media"
)

var phones = []media.Codec{media.G722, media.PCMU, media.PCMA}

// Each codec carries a tone with its level, its clock and nothing late.
func TestCodecs(t *testing.T) {
	for _, c := range phones {
		frames, up, down := link{codec: c, ticks: 250, talk: always, net: clean}.call(t)
		if len(frames) != 250 || up.Patched+up.Lost+up.Late+up.Restarts+up.Undecodable != 0 || up.Played != 250 {
			t.Errorf("%s: %d frames, %+v", c, len(frames), up)
		}
		if down.Packets != 250 || down.Bytes != 250*160 || down.Bitrate != 64000 || down.Voice || down.Failed != 0 {
			t.Errorf("%s: %+v", c, down)
		}
		for i, f := range frames[2:] {
			if l := tone(f.PCM, f.Rate); math.Abs(l+6) > 0.5 {
				t.Fatalf("%s: frame %d: tone at %.1f dBFS", c, i+2, l)
			}
			if f.out-f.At > 1*ms {
				t.Fatalf("%s: frame %d of %v came at %v", c, i+2, f.At, f.out)
			}
		}
	}
}

func TestCodecsOnARoughLine(t *testing.T) {
	for _, c := range phones {
		frames, up, _ := link{codec: c, ticks: 500, talk: always, net: rough(4, 50, 60*ms)}.call(t)
		if n := len(frames); n < 496 || n > 504 || up.Patched > 40 || up.Recovered != 0 {
			t.Errorf("%s: %d frames, %+v", c, n, up)
		}
	}
}

// The clocks of the codecs: 20 ms are 160, also of G.722, whose frame has 320 samples. Silence is sent like sound.
func TestPhonePackets(t *testing.T) {
	for _, c := range phones {
		k := newTickerOf(t, c)
		k.write(10, nil)
		k.write(3, speech(0, media.SpeakRate))
		k.write(50, nil)
		for i, p := range k.sent {
			if k.tick[i] != i || p.Seq != k.sent[0].Seq+uint16(i) || p.Time != k.sent[0].Time+uint32(160*i) || len(p.Payload) != 160 {
				t.Fatalf("%s: packet %d at tick %d, number +%d, time +%d, %d bytes",
					c, i, k.tick[i], p.Seq-k.sent[0].Seq, p.Time-k.sent[0].Time, len(p.Payload))
			}
			if p.Marker != (i == 10) || (p.Level < noSound) != (i >= 10 && i < 13) {
				t.Errorf("%s: packet %d: marker %v, level %d", c, i, p.Marker, p.Level)
			}
		}
		if st := k.Stats(); len(k.sent) != 63 || st.Spurts != 1 || st.Audible {
			t.Errorf("%s: %d packets, %+v", c, len(k.sent), st)
		}
	}
}

// The clock is right for longer than a call, and wraps.
func TestClockOfALongCall(t *testing.T) {
	for _, c := range []media.Codec{media.Opus, media.PCMU} {
		k := newTickerOf(t, c)
		at := 99 * time.Hour
		if got, want := k.clock(at)-k.clock(0), uint32(99*3600*int64(c.Clock())); got != want {
			t.Errorf("%q: %d units after 99 h, want %d", c, got, want)
		}
	}
}

func TestWrongCodec(t *testing.T) {
	if _, err := NewDown(DownOptions{Rate: media.SpeakRate, Codec: "GSM"}); err == nil {
		t.Error("a downlink of GSM")
	}
	if _, err := NewUp(UpOptions{Rate: media.ListenRate, Codec: "GSM"}); err == nil {
		t.Error("an uplink of GSM")
	}
	for _, rate := range []int{0, 8020, 999983 * 50} {
		if _, err := NewUp(UpOptions{Rate: rate, Codec: media.PCMA}); err == nil {
			t.Errorf("an uplink of PCMA at %d Hz", rate)
		}
		if _, err := NewDown(DownOptions{Rate: rate, Codec: media.PCMA}); err == nil {
			t.Errorf("a downlink of PCMA at %d Hz", rate)
		}
	}
}
