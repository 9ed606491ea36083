package codec

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"
)

type mode struct {
	name string
	o    EncoderOptions
	celt bool
}

// modes are the encoders that a call uses, and some beside them.
var modes = []mode{
	{"celt", EncoderOptions{}, true},
	{"celt 16k", EncoderOptions{Bitrate: 16000}, true},
	{"celt 64k", EncoderOptions{Bitrate: 64000, Complexity: 10}, true},
	{"celt loss", EncoderOptions{Loss: 10}, true},
	{"voice", EncoderOptions{Voice: true}, false},
	{"voice fec", EncoderOptions{Voice: true, Loss: 10}, false},
	{"voice fec 20k", EncoderOptions{Voice: true, Loss: 10, Bitrate: 20000}, false},
}

func TestEncodeEveryRateAndLength(t *testing.T) {
	for _, m := range modes {
		for _, rate := range []int{8000, 24000, 48000} {
			for _, tenths := range []int{25, 50, 100, 200, 400, 600} {
				if tenths < 100 && m.o != (EncoderOptions{}) {
					continue // a packet has too few bits for the tone
				}
				e, d := newEncoder(t, rate, m.o), newDecoder(t, 48000)
				step := rate * tenths / 10000
				pcm := wave("tone", rate, rate)
				out, buf := make([]int16, 5760), make([]byte, 4*MaxPayload)
				var got []int16
				for ; len(pcm) >= step; pcm = pcm[step:] {
					n, err := e.Encode(pcm[:step], buf)
					if err != nil {
						t.Fatal(err)
					}
					if n, err = d.Decode(buf[:n], out); err != nil || n != 48*tenths/10 {
						t.Fatalf("%s at %d: %d samples, %v", m.name, rate, n, err)
					}
					got = append(got, out[:n]...)
				}
				if a := level(got[24000:], 48000); math.Abs(a-0.5) > 0.04 {
					t.Errorf("%s at %d, %d.%d ms: the tone came out at %.3f, want 0.5", m.name, rate, tenths/10, tenths%10, a)
				}
			}
		}
	}
}

func TestEncoderKeepsItsMode(t *testing.T) {
	for _, m := range modes {
		e := newEncoder(t, 24000, m.o)
		var quiet, first [1]byte
		buf := make([]byte, MaxPayload)
		e.Quiet(first[:])
		pcm := append(wave("voice", 24000, 24000), make([]int16, 24000)...)
		size := 0
		for i, fec := 0, 0; i < 100; i++ {
			n, err := e.Encode(pcm[i*480:(i+1)*480], buf)
			if err != nil {
				t.Fatal(err)
			}
			if i < 50 {
				size += n
			}
			if HasFEC(buf[:n]) {
				fec++
			}
			p, err := parse(buf[:n])
			if err != nil || p.celt() != m.celt || p.stereo || p.frames != 1 || p.frame != 20*time.Millisecond {
				t.Fatalf("%s, frame %d: %+v, %v", m.name, i, p, err)
			}
			if n := e.Quiet(quiet[:]); n != 1 || quiet[0] != buf[0] {
				t.Fatalf("%s: %x says silence after %x", m.name, quiet, buf[0])
			}
			if want := m.o.Voice && m.o.Loss > 0; i == 99 && (fec > 20) != want {
				t.Errorf("%s: %d packets hold a copy", m.name, fec)
			}
		}
		want := m.o.Bitrate
		if want == 0 {
			want = 32000
		}
		if rate := size * 8; rate < want*7/10 || rate > want*13/10 {
			t.Errorf("%s: %d bit/s, want %d", m.name, rate, want)
		}
		if first[0]>>7 != quiet[0]>>7 {
			t.Errorf("%s: before the first frame silence is %x, later %x", m.name, first, quiet)
		}
	}
}

func TestEncodeStaysWithinItsSlice(t *testing.T) {
	for _, m := range modes {
		e := newEncoder(t, 24000, m.o)
		pcm := wave("noise", 24000, 24000)
		for i := range 50 {
			whole := bytes.Repeat([]byte{0xa5}, 4000)
			room := 30 + i%3
			n, err := e.Encode(pcm[i*480:(i+1)*480], whole[:room])
			if err != nil || n > room || bytes.ContainsFunc(whole[room:], func(r rune) bool { return r != '\ufffd' }) {
				t.Fatalf("%s: %d bytes in %d, %v", m.name, n, room, err)
			}
		}
	}
}

func TestMisuseGivesErrors(t *testing.T) {
	for _, rate := range []int{-1, 0, 22050, 44100, 96000} {
		if _, err := NewOpusEncoder(rate, EncoderOptions{}); err == nil {
			t.Errorf("encoder at %d Hz accepted", rate)
		}
		if _, err := NewOpusDecoder(rate); err == nil {
			t.Errorf("decoder at %d Hz accepted", rate)
		}
	}
	for _, o := range []EncoderOptions{{Bitrate: -5}, {Complexity: 11}, {Complexity: -1}, {Loss: 101}, {Loss: -1}} {
		if _, err := NewOpusEncoder(24000, o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	e := newEncoder(t, 24000, EncoderOptions{})
	buf := make([]byte, MaxPayload)
	for _, c := range []struct{ samples, room int }{{0, 100}, {479, 100}, {480, 0}, {24000, 100}} {
		if _, err := e.Encode(make([]int16, c.samples), buf[:c.room]); err == nil {
			t.Errorf("%d samples into %d bytes accepted", c.samples, c.room)
		}
	}
}

// spurt plays a talk spurt through an encoder and a listener's decoder, and what follows it.
type spurt struct {
	t   *testing.T
	e   *OpusEncoder
	d   *OpusDecoder
	out []int16 // what the listener hears
}

func (s *spurt) send(pcm []int16) {
	s.t.Helper()
	buf := make([]byte, MaxPayload)
	n, err := s.e.Encode(pcm, buf)
	if err != nil {
		s.t.Fatal(err)
	}
	s.receive(buf[:n])
}

func (s *spurt) receive(payload []byte) {
	s.t.Helper()
	pcm := make([]int16, 5760)
	n, err := s.d.Decode(payload, pcm)
	if err != nil {
		s.t.Fatal(err)
	}
	s.out = append(s.out, pcm[:n]...)
}

// talk sends n frames of speech; if cut they end in a fade of 5 ms.
func (s *spurt) talk(kind string, n int, cut bool) {
	frame := s.frame()
	pcm := wave(kind, 50*frame, n*frame)
	if fade := frame / 4; cut {
		for i := range fade {
			v := &pcm[len(pcm)-1-i]
			*v = int16(int(*v) * i / fade)
		}
	}
	for ; len(pcm) > 0; pcm = pcm[frame:] {
		s.send(pcm[:frame])
	}
}

func (s *spurt) frame() int { return 24000 / 50 }

// rest sends silent frames, then the Quiet packet, then a silent frame every 400 ms; the listener imagines what is between.
func (s *spurt) rest(silent, periods int) {
	zero := make([]int16, s.frame())
	for range silent {
		s.send(zero)
	}
	quiet := make([]byte, 1)
	s.receive(quiet[:s.e.Quiet(quiet)])
	gap := make([]int16, s.d.rate/50)
	for range periods {
		for range 19 {
			if err := s.d.Conceal(nil, gap); err != nil {
				s.t.Fatal(err)
			}
			s.out = append(s.out, gap...)
		}
		s.send(zero)
	}
}

func TestSpurtEndsInSilence(t *testing.T) {
	const silentFrames = 12 // as the package comment says
	for _, m := range modes {
		for _, rate := range []int{16000, 48000} {
			for _, kind := range []string{"tone", "hum", "noise", "voice"} {
				for _, frames := range []int{1, 3, 57} {
					s := &spurt{t: t, e: newEncoder(t, 24000, m.o), d: newDecoder(t, rate)}
					s.talk(kind, frames, true)
					cut := len(s.out)
					s.rest(silentFrames, 5)
					if p := peak(s.out[cut+rate*60/1000:]); p > -50 {
						t.Errorf("%s, %s of %d frames at %d Hz: %.0f dBFS after the cut", m.name, kind, frames, rate, p)
					}
				}
			}
		}
	}
}

// The silent frames are what does it: without them the listener hears the speech go on.
func TestSpurtWithoutSilentFramesGoesOn(t *testing.T) {
	for _, m := range modes {
		s := &spurt{t: t, e: newEncoder(t, 24000, m.o), d: newDecoder(t, 16000)}
		s.talk("voice", 50, true)
		cut := len(s.out)
		s.rest(0, 1)
		if p := peak(s.out[cut+960:]); p < -30 {
			t.Errorf("%s: %.0f dBFS: the twelve frames may not be needed any more", m.name, p)
		}
	}
}

// After Reset a listener who heard the last spurt, by whatever encoder, hears the next as one who has just come.
func TestSpurtBeginsAtOnce(t *testing.T) {
	celt, voice := modes[0], modes[5]
	for _, before := range []mode{celt, voice} {
		for _, m := range modes {
			for _, kind := range []string{"tone", "voice", "noise"} {
				old := &spurt{t: t, e: newEncoder(t, 24000, before.o), d: newDecoder(t, 16000)}
				old.talk("voice", 30, true)
				old.rest(12, 1)
				old.e = newEncoder(t, 24000, m.o)
				old.talk("noise", 5, true)
				old.rest(12, 1)
				if err := old.e.Reset(); err != nil {
					t.Fatal(err)
				}
				begin := len(old.out)
				old.talk(kind, 10, false)
				fresh := &spurt{t: t, e: newEncoder(t, 24000, m.o), d: newDecoder(t, 16000)}
				fresh.talk(kind, 10, false)
				for i := range 10 {
					was, is := power(fresh.out[i*320:][:320]), power(old.out[begin+i*320:][:320])
					if is < was-1.5 || is > was+4 || was < -25 {
						t.Errorf("%s after %s, frame %d of %s: %.1f dB, a fresh listener hears %.1f", m.name, before.name, i, kind, is, was)
					}
				}
			}
		}
	}
}

// power is the mean level in dBFS.
func power(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return 10 * math.Log10(sum/float64(len(pcm))/32768/32768)
}

func TestEncodeAllocatesNothing(t *testing.T) {
	for _, m := range modes {
		e := newEncoder(t, 24000, m.o)
		pcm, buf := wave("voice", 24000, 480), make([]byte, MaxPayload)
		if n := testing.AllocsPerRun(50, func() {
			if _, err := e.Encode(pcm, buf); err != nil {
				t.Fatal(err)
			}
			e.Quiet(buf)
			if err := e.Reset(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", m.name, n)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, m := range modes {
		b.Run(fmt.Sprint(m.name), func(b *testing.B) {
			e := newEncoder(b, 24000, m.o)
			pcm, buf := wave("voice", 24000, 48000), make([]byte, MaxPayload)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i % 100 * 480
				if _, err := e.Encode(pcm[at:at+480], buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
