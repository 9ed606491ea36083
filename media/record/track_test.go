package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/media"
	"parley/media/codec"
	"parley/media/line"
)

const said = 9980 * ms

func each(in []media.Packet, change func(n int, p *media.Packet) (keep bool)) []media.Packet {
	out := in[:0:0]
	for n, p := range in {
		if change(n, &p) {
			out = append(out, p)
		}
	}
	return out
}

func without(in []media.Packet, from, to int) []media.Packet {
	return each(in, func(n int, _ *media.Packet) bool { return n < from || n >= to })
}

func after(in []media.Packet, from int, change func(p *media.Packet)) []media.Packet {
	return each(in, func(n int, p *media.Packet) bool {
		if n >= from {
			change(p)
		}
		return true
	})
}

// story is the classes of a track in the order of their time, in ms.
func story(t *testing.T, b *Bundle, k Kind, rate int) string {
	t.Helper()
	var s strings.Builder
	class, n, total := Class(255), 0, 0
	tell := func() {
		if n > 0 {
			fmt.Fprintf(&s, "%v %d ", class, (n*1000+rate/2)/rate)
		}
		n = 0
	}
	for p, err := range b.Track(k, rate) {
		if err != nil {
			t.Fatal(err)
		}
		if p.At != media.Samples(total, rate) {
			t.Fatalf("a piece at %v after %v", p.At, media.Samples(total, rate))
		}
		if p.Class != class {
			tell()
			class = p.Class
		}
		n += len(p.PCM)
		total += len(p.PCM)
	}
	tell()
	if want := samples(b.Duration(), rate); total != want {
		t.Errorf("%d samples of %d", total, want)
	}
	return strings.TrimSpace(s.String())
}

func TestStories(t *testing.T) {
	in := spoken(t, 499)
	sort := func(in []media.Packet) []media.Packet {
		slices.SortStableFunc(in, func(a, b media.Packet) int { return int(a.At - b.At) })
		return in
	}
	for _, c := range []struct {
		name  string
		in    []media.Packet
		more  []Entry
		story string
	}{
		{"clean", in, nil, "received 9980"},
		{"2 s lost", without(in, 250, 350), nil, "received 5000 concealed 2000 received 2980"},
		{"2 s pause", without(after(after(in, 350, func(p *media.Packet) { p.Seq -= 100 }), 249, func(p *media.Packet) {
			if p.At == 249*20*ms {
				p.Payload = p.Payload[:1]
			}
		}), 250, 350), nil, "received 4980 DTX 2020 received 2980"},
		{"a loss in a pause", func() []media.Packet {
			in := slices.Clone(in)
			in[249].Payload = in[249].Payload[:1]
			return without(after(in, 350, func(p *media.Packet) { p.Seq -= 98 }), 250, 350)
		}(), nil, "received 4980 DTX 1980 concealed 40 received 2980"},
		{"one lost", without(in, 250, 251), nil, "received 5000 concealed 20 received 4960"},
		{"out of order", sort(each(in, func(n int, p *media.Packet) bool {
			if n%10 == 5 {
				p.At += 45 * ms
			}
			return true
		})), nil, "received 9980"},
		{"a stall of 2 s and a burst", each(in, func(n int, p *media.Packet) bool {
			if n >= 200 && n < 300 {
				p.At = 300*20*ms + time.Duration(n)*time.Microsecond
			}
			return true
		}), nil, "received 9980"},
		{"twice", sort(append(slices.Clone(in), in...)), nil, "received 9980"},
		{"the sender stops for a second", without(after(in, 250, func(p *media.Packet) { p.At += time.Second }), 449, 499), nil,
			"received 5000 not captured 1000 received 3980"},
		{"timestamps jump a minute", after(in, 250, func(p *media.Packet) { p.Time += 60 * 48000 }), nil, "received 9980"},
		{"timestamps jump back", after(in, 250, func(p *media.Packet) { p.Time -= 60 * 48000 }), nil, "received 9980"},
		{"numbers jump", after(in, 250, func(p *media.Packet) { p.Seq += 5000 }), nil, "received 9980"},
		{"another stream", after(in, 250, func(p *media.Packet) { p.SSRC, p.Time, p.Seq = 9, p.Time+777777777, p.Seq+999 }), nil, "received 9980"},
		{"a stray of another stream", each(in, func(n int, p *media.Packet) bool {
			if n == 250 {
				p.SSRC = 8
			}
			return true
		}), nil, "received 5000 not captured 20 received 4960"},
		{"undecodable", each(in, func(n int, p *media.Packet) bool {
			if n == 250 {
				p.Payload = []byte{255, 255, 255}
			}
			return true
		}), nil, "received 5000 concealed 20 received 4960"},
		{"keys", each(in, func(n int, p *media.Packet) bool {
			if n >= 250 && n < 255 {
				p.PT, p.Time, p.Payload = 101, in[250].Time, []byte{1, 2, 3, 4}
			}
			return true
		}), nil, "received 5000 DTX 100 received 4880"},
		{"the recorder lost some", without(in, 250, 300), []Entry{{Kind: Gap, Of: Up, At: 4990 * ms, Now: 6000 * ms, Count: 50}},
			"received 5000 not captured 1000 received 3980"},
		{"the record paused", without(in, 250, 300), []Entry{{Kind: Pause, Now: 5000 * ms}, {Kind: Resume, Now: 6000 * ms}},
			"received 5000 not captured 1000 received 3980"},
		{"the record paused while the sender did", func() []media.Packet {
			in := slices.Clone(in)
			in[249].Payload = in[249].Payload[:1]
			return without(after(in, 350, func(p *media.Packet) { p.Seq -= 95 }), 250, 350)
		}(), []Entry{{Kind: Pause, Now: 5500 * ms}, {Kind: Resume, Now: 6500 * ms}}, "received 4980 DTX 520 not captured 1000 DTX 500 received 2980"},
		{"muted", in, []Entry{{Kind: Mute, Now: 5000 * ms, On: true}, {Kind: Mute, Now: 6000 * ms}}, "received 5000 muted 1000 received 3980"},
		{"muted to the end", in, []Entry{{Kind: Mute, Now: 5000 * ms, On: true}}, "received 5000 muted 4980"},
		{"it begins late and ends early", in[50:450], nil, "not captured 1000 received 8000 not captured 980"},
		{"nothing", nil, nil, "not captured 9980"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Manifest{Events: 101}
			b := open(t, build(t, m, said, sorted(as(Up, c.in), c.more)...))
			if got := story(t, b, Up, 16000); got != c.story {
				t.Errorf("%s\nwant %s", got, c.story)
			}
			r := b.Verify()
			if r.Up.Sound != said || r.Down.Sound != said || r.Up.Classes.Sum() != said {
				t.Errorf("%v up, %v down, classes %v", r.Up.Sound, r.Down.Sound, r.Up.Classes.Sum())
			}
			if d := oggSeconds(t, b); d != said {
				t.Errorf("Ogg of %v", d)
			}
		})
	}
}

// What is sound and what is silence lies where it was spoken, in both directions, whatever the codec.
func TestAlignment(t *testing.T) {
	for _, c := range []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA} {
		rate := codec.Rate(c, 48000)
		enc, err := codec.NewEncoder(c, rate, codec.EncoderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var up, down []media.Packet
		buf := make([]byte, codec.MaxPayload)
		for i := range 500 { // a chirp from 4 s to 6 s
			pcm := make([]int16, rate/50)
			for j := range pcm {
				if x := float64(i)/50 + float64(j)/float64(rate) - 4; x >= 0 && x < 2 {
					pcm[j] = int16(8000 * math.Sin(2*math.Pi*(200*x+400*x*x)))
				}
			}
			n, err := enc.Encode(pcm, buf)
			if err != nil {
				t.Fatal(err)
			}
			p := media.Packet{Seq: uint16(i), Time: uint32(i * c.Clock() / 50), Payload: slices.Clone(buf[:n])}
			p.At = time.Duration(i) * 20 * ms
			down = append(down, p)
			p.At += time.Duration(i*7919%60) * ms / 2 // the network's jitter; some come in no time
			p.SSRC, p.Time = 5, p.Time+1<<31
			up = append(up, p)
		}
		slices.SortStableFunc(up, func(a, b media.Packet) int { return int(a.At - b.At) })
		b := open(t, build(t, Manifest{Codec: c}, 10*time.Second, sorted(as(Up, up), as(Down, down))...))
		var wav bytes.Buffer
		if err := b.WAV(&wav, 48000, Up, Down); err != nil {
			t.Fatal(err)
		}
		left, right := channelsOf(t, wav.Bytes(), rate)
		best, at := 0.0, 0
		for lag := -rate / 100; lag <= rate/100; lag++ {
			sum := 0.0
			for i := 4 * rate; i < 6*rate; i += 3 {
				sum += float64(left[i+lag]) * float64(right[i])
			}
			if sum > best {
				best, at = sum, lag
			}
		}
		if d := media.Samples(at, rate); best == 0 || d.Abs() > ms {
			t.Errorf("%s: up is %v after down", c, d)
		}
	}
}

// channelsOf takes a WAV file apart and checks its header.
func channelsOf(t *testing.T, wav []byte, rate int) (left, right []int16) {
	t.Helper()
	if int(binary.LittleEndian.Uint32(wav[4:])) != len(wav)-8 || int(binary.LittleEndian.Uint32(wav[40:])) != len(wav)-44 ||
		int(binary.LittleEndian.Uint32(wav[24:])) != rate {
		t.Fatalf("header %q of %d bytes", wav[:44], len(wav))
	}
	for b := wav[44:]; len(b) > 0; b = b[4:] {
		left = append(left, int16(binary.LittleEndian.Uint16(b)))
		right = append(right, int16(binary.LittleEndian.Uint16(b[2:])))
	}
	return left, right
}

// The sender's clock and ours drift apart by 500 ppm, over a network with jitter, for hours. No sample is ever a frame
// from its place.
func TestDrift(t *testing.T) {
	payload := spoken(t, 50)[40].Payload
	for _, hours := range []int{1, 8} {
		for _, ppm := range []int64{-500, 500} {
			var most time.Duration
			total := time.Duration(hours) * time.Hour
			tr := newTrack(nil, 48000, total+time.Minute, func(Piece) bool { return true })
			pl := newPlacer(Manifest{}, func(p placed) bool {
				ok := tr.take(p)
				off := media.Samples(tr.at, 48000) - p.length - (p.At - jitter(int(p.Time/960)))
				most = max(most, off.Abs())
				return ok
			})
			for i := range int(total / (20 * ms)) {
				at := time.Duration(i)*20*ms + time.Duration(int64(i)*20*ppm)*ms/1000000
				pl.push(media.Packet{At: at + jitter(i), Seq: uint16(i), Time: uint32(960 * i), Payload: payload})
			}
			pl.finish()
			if most > media.FrameDuration || math.Abs(pl.skew.ppm()-float64(ppm)) > 5 {
				t.Errorf("%d h at %d ppm: %v off, skew %.1f", hours, ppm, most, pl.skew.ppm())
			}
			t.Logf("%d h at %d ppm: at most %v off, skew %.1f ppm", hours, ppm, most, pl.skew.ppm())
		}
	}
}

// jitter is a delay of up to 15 ms.
func jitter(i int) time.Duration { return time.Duration(i%89413*7919%15000) * time.Microsecond }

// After an interruption the agent's track holds what was sent, and nothing of what was not.
func TestInterrupted(t *testing.T) {
	var sent []media.Packet
	var now time.Duration
	down, err := line.NewDown(line.DownOptions{Rate: media.SpeakRate, Send: func(p media.Packet) {
		p.At = now
		sent = append(sent, p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, media.SpeakRate/50)
	for i := range 500 { // speech from 2 s to 4.1 s, cut, and another answer from 6 s to 7 s
		now = time.Duration(i) * 20 * ms
		f := media.Frame{At: now, Rate: media.SpeakRate}
		if i >= 100 && i < 205 || i >= 300 && i < 350 {
			for j := range pcm {
				pcm[j] = int16(8000 * math.Sin(2*math.Pi*300*float64(i*len(pcm)+j)/media.SpeakRate))
			}
			f.PCM = pcm
		}
		down.Write(f)
	}
	b := open(t, build(t, Manifest{}, 10*time.Second, as(Down, sent)...))
	var sound []int16
	for p, err := range b.Track(Down, 16000) {
		if err != nil {
			t.Fatal(err)
		}
		sound = append(sound, p.PCM...)
	}
	for ten := range 1000 { // hundredths of a second
		var sum float64
		for _, v := range sound[ten*160:][:160] {
			sum += float64(v) * float64(v)
		}
		level := math.Sqrt(sum / 160)
		speech := ten >= 201 && ten < 410 || ten >= 601 && ten < 700
		echo := ten == 200 || ten == 600 || ten >= 410 && ten < 412 || ten >= 700 && ten < 702 // the codec's delay and tail
		if !echo && (level > 3000) != speech || !speech && !echo && level > 60 {
			t.Errorf("at %d ms: level %.0f", ten*10, level)
		}
	}
	if r := b.Verify(); r.Down.Classes[Received] > 4500*ms || r.Down.Classes[DTX] < 5*time.Second || r.Down.Skew != 0 {
		t.Errorf("%+v", r.Down)
	}
}

// BenchmarkTrack derives a minute of sound.
func BenchmarkTrack(b *testing.B) {
	for _, rate := range []int{8000, 24000, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			r := open(b, build(b, Manifest{}, time.Minute, as(Up, spoken(b, 3000))...))
			for b.Loop() {
				for range r.Track(Up, rate) {
					continue
				}
			}
		})
	}
}

func TestBend(t *testing.T) {
	dec, err := codec.NewOpusDecoder(48000)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrack(dec, 48000, time.Hour, nil)
	pcm := make([]int16, 960)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*300*float64(i)/48000))
	}
	for _, m := range []int{958, 962, 969} {
		got := tr.bend(pcm, m)
		for j, v := range got[:m-3] {
			want := 10000 * math.Sin(2*math.Pi*300*float64(j)*960/float64(m)/48000)
			if math.Abs(float64(v)-want) > 3 {
				t.Fatalf("%d samples: sample %d is %d, want %.0f", m, j, v, want)
			}
		}
	}
}

func TestTrackErrors(t *testing.T) {
	b := open(t, build(t, Manifest{}, said))
	for _, c := range []struct {
		k    Kind
		rate int
	}{{Up, 44100}, {Line, 48000}} {
		n := 0
		for _, err := range b.Track(c.k, c.rate) {
			n++
			if err == nil {
				t.Errorf("a track of %v at %d Hz", c.k, c.rate)
			}
		}
		if n != 1 {
			t.Errorf("%d items", n)
		}
	}
	if err := b.WAV(&bytes.Buffer{}, 48000); err == nil {
		t.Error("a WAV file without channels")
	}
	long := open(t, build(t, Manifest{}, 20*time.Hour))
	if err := long.WAV(&bytes.Buffer{}, 48000, Up, Down); err == nil {
		t.Error("20 hours in a WAV file")
	}
	if err := open(t, build(t, Manifest{Codec: media.PCMU}, said)).Ogg(&bytes.Buffer{}, Up); err == nil {
		t.Error("G.711 in Ogg/Opus")
	}
}

// A track may be left at any piece.
func TestTrackLeft(t *testing.T) {
	b := open(t, build(t, Manifest{}, said, as(Up, without(spoken(t, 400), 100, 200))...))
	for stop := range 500 {
		n := 0
		for range b.Track(Up, 8000) {
			if n++; n > stop {
				break
			}
		}
	}
}
