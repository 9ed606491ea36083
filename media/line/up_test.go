package line

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/media/codec"
)

// packets are n packets of a tone, d long each, sent one after the other from 1 s on.
func packets(t testing.TB, n int, d time.Duration, o codec.EncoderOptions) []media.Packet {
	t.Helper()
	const rate = 16000
	enc, err := codec.NewOpusEncoder(rate, o)
	if err != nil {
		t.Fatal(err)
	}
	var pcm []int16
	for i := range n*int(d/(2500*time.Microsecond))/8 + 1 {
		pcm = append(pcm, speech(i, rate)...)
	}
	out := make([]media.Packet, n)
	for i := range out {
		buf := make([]byte, 4000)
		size := samples(d, rate)
		l, err := enc.Encode(pcm[i*size:(i+1)*size], buf)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = media.Packet{
			At: time.Second + time.Duration(i)*d, Seq: uint16(i), Time: uint32(samples(d, media.ClockRate) * i), Payload: buf[:l],
		}
	}
	return out
}

// listen is what an Up makes of packets that arrive at their time.
func listen(t *testing.T, in []media.Packet) ([]heard, UpStats) {
	t.Helper()
	up, err := NewUp(UpOptions{Rate: media.ListenRate})
	if err != nil {
		t.Fatal(err)
	}
	return listenTo(t, up, in)
}

func listenTo(t *testing.T, up *Up, in []media.Packet) ([]heard, UpStats) {
	t.Helper()
	var out []heard
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		var relay media.Relay[media.Packet]
		tap := relay.Tap(64, media.DropNewest)
		go func() {
			for _, p := range in {
				time.Sleep(p.At - now())
				relay.Send(p)
			}
			relay.Close()
		}()
		for f := range up.Frames(now, tap)(t.Context()) {
			f.PCM = append([]int16(nil), f.PCM...)
			out = append(out, heard{f, now(), up.Stats().Depth})
		}
	})
	return out, up.Stats()
}

func TestPacketLengths(t *testing.T) {
	for _, d := range []time.Duration{2500 * time.Microsecond, 5 * ms, 10 * ms, 20 * ms, 40 * ms, 60 * ms} {
		frames, st := listen(t, packets(t, int(600*ms/d), d, codec.EncoderOptions{Voice: d > 20*ms}))
		if len(frames) != 30 || st.Patched+st.Undecodable != 0 {
			t.Errorf("%v: %d frames, %+v", d, len(frames), st)
		}
		for i, f := range frames {
			if l := tone(f.PCM, f.Rate); i > 3 && math.Abs(l+6) > 2 {
				t.Errorf("%v: frame %d at %.1f dBFS", d, i, l)
			}
		}
	}
}

func TestInvalidPacketIsALostOne(t *testing.T) {
	for name, bad := range map[string][]byte{"no packet": {0xff, 0xff, 0xff}, "too long": make([]byte, 2000)} {
		in := packets(t, 100, 20*ms, codec.EncoderOptions{})
		in[50].Payload = bad
		frames, st := listen(t, in)
		if len(frames) != 100 || st.Undecodable != 1 || st.Patched != 1 || !frames[50].Lost {
			t.Errorf("%s: %d frames, %+v", name, len(frames), st)
		}
		if l := tone(frames[60].PCM, media.ListenRate); math.Abs(l+6) > 1 {
			t.Errorf("%s: tone at %.1f dBFS afterwards", name, l)
		}
	}
}

func TestFECIsNotLost(t *testing.T) {
	in := packets(t, 100, 20*ms, codec.EncoderOptions{Voice: true, Loss: 20})
	in = append(in[:50], in[51:]...)
	frames, st := listen(t, in)
	if len(frames) != 100 || st.Recovered != 1 || st.Lost != 1 || st.Patched != 0 {
		t.Fatalf("%d frames, %+v", len(frames), st)
	}
	if l := tone(frames[50].PCM, media.ListenRate); math.Abs(l+6) > 6 {
		t.Errorf("recovered tone at %.1f dBFS", l)
	}
}

// Concealment is silent after 60 ms, and does not break off.
func TestConcealmentFades(t *testing.T) {
	in := packets(t, 100, 20*ms, codec.EncoderOptions{})
	frames, st := listen(t, append(in[:50], in[70:]...))
	if len(frames) != 100 || st.Patched != 20 || st.Concealed != 60*ms || st.Silenced != 340*ms {
		t.Fatalf("%d frames, %+v", len(frames), st)
	}
	for i, f := range frames[50:70] {
		if p := peak(f.PCM); i > 2 && p > -100 {
			t.Errorf("%d ms after the loss %.1f dBFS", i*20, p)
		}
	}
	last := frames[52].PCM
	if p := peak(last[len(last)-16:]); p > -30 {
		t.Errorf("breaks off at %.1f dBFS", p)
	}
}

// At the end what waits behind a hole is heard at once, and the last frame is whole.
func TestEndYieldsWhatIsHeld(t *testing.T) {
	in := packets(t, 20, 5*ms, codec.EncoderOptions{})
	frames, st := listen(t, append(in[:16:16], in[17:]...))
	if len(frames) != 5 || st.Played != 19 || st.Lost != 1 || !frames[4].Lost {
		t.Fatalf("%d frames, %+v", len(frames), st)
	}
	if last := frames[4]; last.out != in[19].At || tone(last.PCM[160:], media.ListenRate) < -10 {
		t.Errorf("the last came at %v with %.1f dBFS", last.out, tone(last.PCM[160:], media.ListenRate))
	}
	frames, _ = listen(t, in[:17])
	if len(frames) != 5 || peak(frames[4].PCM[160:]) > -100 {
		t.Errorf("%d frames, the last is not filled up with silence", len(frames))
	}
}

// A reader that is held up finds everything that came meanwhile.
func TestSlowReader(t *testing.T) {
	in := packets(t, 60, 20*ms, codec.EncoderOptions{})
	up, err := NewUp(UpOptions{Rate: media.ListenRate})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		var relay media.Relay[media.Packet]
		tap := relay.Tap(64, media.DropNewest)
		go func() {
			for _, p := range in {
				time.Sleep(p.At - now())
				relay.Send(p)
			}
			relay.Close()
		}()
		n := 0
		for range up.Frames(now, tap)(t.Context()) {
			if n++; n == 10 {
				time.Sleep(700 * ms)
			}
		}
		if st := up.Stats(); n != 60 || st.Patched != 0 {
			t.Errorf("%d frames, %+v", n, st)
		}
	})
}

// Frames go on without packets, end with ctx, and the next reader goes on where the last one left.
func TestReadersTakeTurns(t *testing.T) {
	in := packets(t, 20, 20*ms, codec.EncoderOptions{})
	up, err := NewUp(UpOptions{Rate: media.ListenRate})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		var relay media.Relay[media.Packet]
		tap := relay.Tap(64, media.DropNewest)
		source := up.Frames(now, tap)
		ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		for f := range source(ctx) {
			t.Errorf("frame of %v without a packet", f.At)
		}
		time.Sleep(time.Second - now())
		for _, p := range in {
			p.At = now()
			relay.Send(p)
		}
		next := time.Second
		for f := range source(t.Context()) {
			if next += 20 * ms; next == 1100*ms {
				_ = f
				break
			}
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		lost := 0
		for f := range source(ctx) {
			if f.At != next {
				t.Fatalf("frame of %v, want %v", f.At, next)
			}
			next += 20 * ms
			if f.Lost {
				lost++
			}
			if lag := now() - f.At - 20*ms; lag > 220*ms {
				t.Fatalf("time is %v behind", lag)
			}
		}
		if next < 5700*ms || lost == 0 {
			t.Errorf("ended at %v, %d lost", next, lost)
		}
	})
}

// Whatever a packet holds, its time passes and the next is heard.
func FuzzUp(f *testing.F) {
	good := packets(f, 3, 20*ms, codec.EncoderOptions{})
	f.Add(good[1].Payload)
	f.Add([]byte{0x0b})
	f.Add([]byte{0xff, 0x81, 0x00})
	f.Fuzz(func(t *testing.T, payload []byte) {
		u, err := NewUp(UpOptions{Rate: media.ListenRate})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i, p := range good {
			if i == 1 {
				p.Payload = payload
			}
			u.buf.Push(p.At, p)
			u.pop(p.At, func(f media.Frame) bool {
				if want := time.Second + time.Duration(n)*20*ms; f.At != want {
					t.Fatalf("frame %d at %v", n, f.At)
				}
				n++
				return true
			})
		}
		if n < 2 || n > 8 {
			t.Fatalf("%d frames", n)
		}
	})
}

func feed(u *Up, in [][]byte, from media.Packet, units uint32, n int) media.Packet {
	for i := range n {
		from.Payload = in[i%len(in)]
		from.At += 20 * ms
		from.Time += units
		if from.Seq++; from.Seq%50 != 0 {
			u.push(from, 0)
			u.pop(from.At, func(media.Frame) bool { return true })
		}
	}
	return from
}

func TestUpAllocatesNothing(t *testing.T) {
	for _, c := range append(phones, media.Opus) {
		u, err := NewUp(UpOptions{Rate: media.ListenRate, Codec: c, Events: 101})
		if err != nil {
			t.Fatal(err)
		}
		in := encoded(t, c, 100, func(n int) []int16 { return speech(n, codec.Rate(c, media.ListenRate)) })
		var p media.Packet
		steps := 0
		if n := testing.AllocsPerRun(30, func() {
			p = feed(u, in, p, uint32(c.Clock()/framesPerSecond), 100)
			p.At += 1 * ms // the sender's clock is slow
			steps = max(steps, u.slew.left)
		}); n != 0 {
			t.Errorf("%s: %v allocations in 100 frames", c, n)
		}
		if steps == 0 {
			t.Errorf("%s: no correction was made", c)
		}
	}
}

func BenchmarkUp(b *testing.B) {
	u, err := NewUp(UpOptions{Rate: media.ListenRate})
	if err != nil {
		b.Fatal(err)
	}
	in := encoded(b, media.Opus, 100, func(n int) []int16 { return speech(n, media.ListenRate) })
	b.ReportAllocs()
	b.ResetTimer()
	feed(u, in, media.Packet{}, 960, b.N)
}
