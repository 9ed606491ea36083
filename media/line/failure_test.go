package line

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hraban/opus"

	"parley/media"
	"parley/media/codec"
)

// said is how long the conversation of the failure table is.
const said = 9980 * ms

// conversation is a tone for as long as said, in packets as long as d.
func conversation(t testing.TB, d time.Duration) []media.Packet {
	t.Helper()
	if d == 120*ms {
		return joined(packets(t, 2*int(said/d), d/2, codec.EncoderOptions{Voice: true}))
	}
	return packets(t, int(said/d), d, codec.EncoderOptions{Voice: d > 20*ms})
}

// joined makes one packet of each two, in the packing of RFC 6716 section 3.2.4.
func joined(halves []media.Packet) (out []media.Packet) {
	for i := 0; i < len(halves); i += 2 {
		p, q := halves[i], halves[i+1].Payload
		n := len(p.Payload) - 1
		head := []byte{p.Payload[0] | 2, byte(n)}
		if n >= 252 {
			head = []byte{p.Payload[0] | 2, byte(252 + n%4), byte((n - 252) / 4)}
		}
		p.Payload = append(append(head, p.Payload[1:]...), q[1:]...)
		p.Seq = uint16(i / 2)
		out = append(out, p)
	}
	return out
}

// stereo is the conversation with two channels where both says so.
func stereo(t testing.TB, both func(n int) bool) []media.Packet {
	t.Helper()
	in := conversation(t, 20*ms)
	enc, err := opus.NewEncoder(16000, 2, opus.AppRestrictedLowdelay)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, codec.MaxPayload)
	for i := range in {
		var pcm []int16
		for _, v := range speech(i, 16000) {
			pcm = append(pcm, v, v)
		}
		n, err := enc.Encode(pcm, buf)
		if err != nil {
			t.Fatal(err)
		}
		if both(i) {
			in[i].Payload = slices.Clone(buf[:n])
		}
	}
	return in
}

// The changes of a conversation. Numbers are of packets, 0 to 498.
func each(in []media.Packet, change func(n int, p *media.Packet) (keep bool)) []media.Packet {
	out := in[:0:0]
	for n, p := range in {
		if change(n, &p) {
			out = append(out, p)
		}
	}
	return out
}

func without(in []media.Packet, lost func(n int) bool) []media.Packet {
	return each(in, func(n int, _ *media.Packet) bool { return !lost(n) })
}

func from(in []media.Packet, first int, change func(p *media.Packet)) []media.Packet {
	return each(in, func(n int, p *media.Packet) bool {
		if n >= first {
			change(p)
		}
		return true
	})
}

func jumped(in []media.Packet, d time.Duration) []media.Packet {
	return from(in, 250, func(p *media.Packet) { p.Time += uint32(int64(d) * 48 / int64(ms)) })
}

func renumbered(in []media.Packet, by int) []media.Packet {
	return from(in, 250, func(p *media.Packet) { p.Seq += uint16(by) })
}

// paused leaves 2 s out that the sender did not number. Announced: with a packet of one byte.
func paused(in []media.Packet, announced bool) []media.Packet {
	in = from(in, 350, func(p *media.Packet) { p.Seq -= 100 })
	if announced {
		in[249].Payload = in[249].Payload[:1]
	}
	return without(in, func(n int) bool { return n >= 250 && n < 350 })
}

func overtaken(in []media.Packet) []media.Packet {
	in = each(in, func(n int, p *media.Packet) bool {
		if n%10 == 5 {
			p.At += 45 * ms
		}
		return true
	})
	slices.SortStableFunc(in, func(a, b media.Packet) int { return int(a.At - b.At) })
	return in
}

// failure is a row of the table.
type failure struct {
	name     string
	in       []media.Packet
	sounding float64 // seconds of the tone at least
	patched  uint64  // frames at most
	lag      time.Duration
}

func failures(t testing.TB) []failure {
	in := conversation(t, 20*ms)
	return []failure{
		{"clean", in, 9.94, 0, 0},
		{"2 s lost", without(in, func(n int) bool { return n >= 250 && n < 350 }), 7.90, 100, 0},
		{"2 s pause, announced (DTX)", paused(in, true), 7.86, 0, 0},
		{"2 s pause, not announced", paused(in, false), 7.90, 100, 0},
		{"2 % single losses", without(in, func(n int) bool { return n%50 == 49 }), 9.5, 9, 0},
		{"3 holes of 200 ms in 6 s", without(in, func(n int) bool { return n > 100 && n < 400 && n%100 >= 90 }), 9.3, 30, 0},
		{"timestamp +60 s", jumped(in, time.Minute), 9.94, 0, 0},
		{"timestamp -2 s", jumped(in, -2*time.Second), 9.94, 0, 0},
		{"timestamp -60 s", jumped(in, -time.Minute), 9.94, 0, 0},
		{"sequence restarts 60 behind", renumbered(in, -60), 9.94, 0, 0},
		{"sequence restarts at 0", renumbered(in, -250), 9.94, 0, 0},
		{"sequence 3000 ahead", renumbered(in, 3000), 9.94, 0, 0},
		{"another SSRC, number and time", from(in, 250, func(p *media.Packet) { p.SSRC, p.Seq, p.Time = 77, p.Seq+9999, p.Time+1<<30 }), 9.94, 0, 0},
		{"60 ms packets", conversation(t, 60*ms), 9.9, 0, 0},
		{"120 ms packets", conversation(t, 120*ms), 9.9, 0, 0},
		{"stereo", stereo(t, func(int) bool { return true }), 9.94, 0, 0},
		{"stereo and mono by turns", stereo(t, func(n int) bool { return n/100%2 == 0 }), 9.94, 0, 0},
		{"one invalid packet", from(in, 250, func(p *media.Packet) {
			if p.Seq == 250 {
				p.Payload = []byte{0xff, 0xff, 0xff}
			}
		}), 9.9, 1, 0},
		{"each packet twice", twice(in), 9.94, 0, 0},
		{"one in ten overtaken by two", overtaken(in), 9.8, 3, 45 * ms},
		{"numbers wrap", each(in, func(_ int, p *media.Packet) bool { p.Seq += 65400; return true }), 9.94, 0, 0},
		{"nothing after 5 s but one packet", without(in, func(n int) bool { return n >= 250 && n < 498 }), 4.95, 248, 0},
		{"one packet", without(in, func(n int) bool { return n > 0 }), 0, 0, 0},
		{"none", nil, 0, 0, 0},
	}
}

func twice(in []media.Packet) (out []media.Packet) {
	for _, p := range in {
		out = append(out, p, p)
	}
	return out
}

// verdict is what came out of a failure.
type verdict struct {
	out      time.Duration // in all
	sounding time.Duration // with the tone, received
	lag      time.Duration // of the last second's frames that were received, behind the arrival of what is in them, at most
	stats    UpStats
}

func judge(t *testing.T, in []media.Packet) (v verdict) {
	frames, st := listen(t, in)
	v.stats = st
	for i, f := range frames {
		v.out += media.FrameDuration
		if l := tone(f.PCM, f.Rate); l > -8 && l < -4 && !f.Lost {
			v.sounding += media.FrameDuration
		}
		if i >= len(frames)-50 && !f.Lost {
			v.lag = max(v.lag, f.out-f.At)
		}
	}
	return v
}

// TestFailureTable holds the same conversation of 9.98 s over lines and senders that fail in one way each. Whatever they
// do, its length stays right to one frame, sound comes back, and no delay is left behind. With -v it prints the table.
func TestFailureTable(t *testing.T) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "incoming\tpackets\tseconds out\tof sound\tconcealed ms\tdelay left ms")
	for _, c := range failures(t) {
		v := judge(t, c.in)
		st := v.stats
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%d\t%d\n", c.name, len(c.in), v.out.Seconds(), v.sounding.Seconds(),
			(st.Concealed + st.Silenced).Milliseconds(), v.lag.Milliseconds())
		want := time.Duration(0)
		if n := len(c.in); n > 0 {
			last, err := codec.PacketDuration(c.in[n-1].Payload)
			if err != nil {
				t.Fatal(err)
			}
			want = c.in[n-1].At + last - c.in[0].At
		}
		if v.out < want-media.FrameDuration || v.out > want+media.FrameDuration {
			t.Errorf("%s: %v of %v came out", c.name, v.out, want)
		}
		if v.sounding.Seconds() < c.sounding || st.Patched > c.patched {
			t.Errorf("%s: %v of sound, want %.2f s; %d frames concealed; %+v", c.name, v.sounding, c.sounding, st.Patched, st)
		}
		if v.lag > c.lag {
			t.Errorf("%s: a delay of %v is left", c.name, v.lag)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}
