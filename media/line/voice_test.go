package line

import (
	"testing"
	"time"

	"parley/media"
	"parley/media/codec"
)

// A listener's loss decides at the beginning of a spurt, with room between going up and down.
func TestVoiceFollowsLoss(t *testing.T) {
	loss := 0.0
	asked := 0
	var sent []media.Packet
	d, err := NewDown(DownOptions{
		Rate: media.SpeakRate,
		Send: func(p media.Packet) { sent = append(sent, p) },
		Loss: func() float64 { asked++; return loss },
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Duration(0)
	write := func(n int, pcm []int16) {
		for range n {
			d.Write(media.Frame{At: at, Rate: media.SpeakRate, PCM: pcm})
			at += media.FrameDuration
		}
	}
	for i, c := range []struct {
		loss    float64
		voice   bool
		bitrate int
	}{
		{0, false, 32000}, {0.02, false, 32000}, {0.021, true, 32000}, {0.011, true, 32000}, {0.009, false, 32000},
		{0.015, false, 32000}, {0.11, true, 24000}, {0.06, true, 24000}, {0.04, true, 32000}, {0.5, true, 20000},
		{0.15, true, 20000}, {0.09, true, 24000}, {0.021, true, 32000}, {0.3, true, 20000}, {0, false, 32000},
	} {
		loss = c.loss
		before := len(sent)
		write(25, speech(0, media.SpeakRate))
		write(30, nil)
		st := d.Stats()
		if st.Voice != c.voice || st.Bitrate != c.bitrate || st.Failed != 0 {
			t.Errorf("spurt %d, loss %g: %+v", i, c.loss, st)
		}
		bytes := 0
		for k, p := range sent[before : before+25] {
			bytes += len(p.Payload)
			if fec := codec.HasFEC(p.Payload); fec && !c.voice || k > 3 && fec != c.voice {
				t.Errorf("spurt %d: packet %d has a copy of the one before: %v", i, k, fec)
			}
		}
		if rate := bytes * 8 * 2; rate > c.bitrate*5/4 {
			t.Errorf("spurt %d: %d bits a second, want %d", i, rate, c.bitrate)
		}
	}
	if asked != 15 {
		t.Errorf("asked %d times in 15 spurts of a second", asked)
	}
	for range 10 { // ten spurts in a second
		write(2, speech(0, media.SpeakRate))
		write(3, nil)
	}
	if asked > 17 {
		t.Errorf("asked %d times in a second", asked-15)
	}
	before := asked
	write(50, nil)
	for range 3 {
		loss = 0.5 - loss
		write(100, speech(0, media.SpeakRate))
	}
	if st := d.Stats(); !st.Voice || asked != before+1 {
		t.Errorf("changed within a spurt: %+v, asked %d times", st, asked-before)
	}
}

// Each encoder is made once, however often the loss goes up and down.
func TestTwoEncodersOnly(t *testing.T) {
	v, err := newVoice(DownOptions{Rate: media.SpeakRate, Loss: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[codec.Encoder]bool{}
	for i := range 100 {
		if err := v.follow(i % 2); err != nil {
			t.Fatal(err)
		}
		seen[v.enc] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d encoders", len(seen))
	}
}

// A change of the encoder is not heard, and the copies are of use: at 5 % loss few frames are made up.
func TestVoiceOnALossyLine(t *testing.T) {
	talk := func(n int) []int16 {
		if n%150 < 100 {
			return speech(n%50, media.SpeakRate)
		}
		return nil
	}
	run := func(loss func() float64) UpStats {
		frames, up, _ := link{loss: loss, ticks: 1500, talk: talk, net: rough(11, 20, 1*ms)}.call(t)
		for i, f := range frames {
			if n := i % 150; n > 105 && peak(f.PCM) > -50 {
				t.Errorf("frame %d of a pause: %.1f dBFS", n, peak(f.PCM))
			}
		}
		return up
	}
	with, without := run(func() float64 { return 0.05 }), run(nil)
	t.Logf("with FEC %d of %d lost recovered, %v concealed; without %v", with.Recovered, with.Lost, with.Concealed, without.Concealed)
	if with.Recovered < with.Lost/2 || with.Concealed > without.Concealed/2 {
		t.Errorf("with FEC %+v, without %+v", with, without)
	}
}
