package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"parley/media"
)

// These tests compare with ffmpeg, whose G.711 and G.722 share nothing with ours.

// formats are its names for the codecs.
var formats = map[media.Codec]struct{ codec, format string }{
	media.PCMU: {"pcm_mulaw", "mulaw"},
	media.PCMA: {"pcm_alaw", "alaw"},
	media.G722: {"g722", "g722"},
}

func ffmpeg(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command("ffmpeg", slices.Concat([]string{"-hide_banner", "-loglevel", "error"}, args, []string{"pipe:1"})...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, errs.Bytes())
	}
	return out
}

func ffmpegEncode(t *testing.T, c media.Codec, pcm []int16) []byte {
	t.Helper()
	rate := strconv.Itoa(Rate(c, 0))
	return ffmpeg(t, toBytes(pcm), "-f", "s16le", "-ar", rate, "-ac", "1", "-i", "pipe:0", "-c:a", formats[c].codec, "-f", formats[c].format)
}

func ffmpegDecode(t *testing.T, c media.Codec, coded []byte) []int16 {
	t.Helper()
	return toSamples(ffmpeg(t, coded, "-f", formats[c].format, "-i", "pipe:0", "-c:a", "pcm_s16le", "-f", "s16le"))
}

func toBytes(pcm []int16) []byte {
	out := make([]byte, 0, 2*len(pcm))
	for _, v := range pcm {
		out = binary.LittleEndian.AppendUint16(out, uint16(v))
	}
	return out
}

func toSamples(b []byte) []int16 {
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out
}

func needsFFmpeg(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs ffmpeg")
	}
}

// Every code means the same sample. Where the steps get wider ffmpeg takes the nearer of two codes, the recommendation
// the one that is farther from zero (its decision value is not in the middle); all other samples have the same code.
func TestG711IsThatOfFFmpeg(t *testing.T) {
	needsFFmpeg(t)
	var every []int16
	for v := math.MinInt16; v <= math.MaxInt16; v++ {
		every = append(every, int16(v))
	}
	var codes []byte
	for c := range 256 {
		codes = append(codes, byte(c))
	}
	for _, c := range []media.Codec{media.PCMU, media.PCMA} {
		if got, want := decodePackets(t, c, codes), ffmpegDecode(t, c, codes); !slices.Equal(got, want) {
			t.Errorf("%s: %d of 256 codes have another sample", c, differing(got, want))
		}
		ours, theirs := encodeAll(t, c, every), ffmpegEncode(t, c, every)
		our, their := decodePackets(t, c, ours), decodePackets(t, c, theirs)
		other := 0
		for i, v := range every {
			if ours[i] == theirs[i] {
				continue
			}
			other++
			if far(our[i], 0) <= far(their[i], 0) || far(our[i], v) > 2*far(their[i], v)+12 {
				t.Errorf("%s: %d is %#x (%d), for ffmpeg %#x (%d)", c, v, ours[i], our[i], theirs[i], their[i])
			}
		}
		if want := map[media.Codec]int{media.PCMU: 512, media.PCMA: 504}[c]; other != want {
			t.Errorf("%s: %d of 65536 samples have another code, want %d", c, other, want)
		}
	}
}

func far(a, b int16) int { return max(int(a)-int(b), int(b)-int(a)) }

// Bit by bit, both ways, also where it is overdriven.
func TestG722IsThatOfFFmpeg(t *testing.T) {
	needsFFmpeg(t)
	signals := map[string][]int16{"square": square(32000)}
	for _, kind := range []string{"tone", "hum", "voice", "noise"} {
		signals[kind] = wave(kind, 16000, 32000)
	}
	for _, name := range []string{"demo-echotest", "vm-tomakecall", "privacy-prompt"} {
		signals[name] = toSamples(ffmpeg(t, nil, "-i", prompts+name+".wav", "-ar", "16000", "-f", "s16le"))
	}
	for name, pcm := range signals {
		pcm = pcm[:len(pcm)&^1]
		coded := encodeAll(t, media.G722, pcm)
		if theirs := ffmpegEncode(t, media.G722, pcm); !bytes.Equal(coded, theirs) {
			t.Errorf("%s: %d of %d bytes are other ones", name, differing(coded, theirs), len(coded))
		}
		if got, want := decodePackets(t, media.G722, coded), ffmpegDecode(t, media.G722, coded); !slices.Equal(got, want) {
			t.Errorf("%s: %d of %d samples are other ones", name, differing(got, want), len(want))
		}
	}
}

// prompts is where Debian's asterisk-core-sounds-en-wav and -g722 have a human voice, each prompt in either format.
const prompts = "/usr/share/asterisk/sounds/en_US_f_Allison/"

// The prompts in G.722 were made by another encoder, from recordings that were filtered in another way for the twin at 8
// kHz: they have the same loudness at the same time.
func TestG722OfAnotherEncoder(t *testing.T) {
	needsFFmpeg(t)
	for _, name := range []string{"demo-echotest", "vm-tomakecall", "privacy-prompt"} {
		coded, err := os.ReadFile(prompts + name + ".g722")
		if err != nil {
			t.Fatal(err)
		}
		pcm := decodePackets(t, media.G722, coded)
		if want := ffmpegDecode(t, media.G722, coded); !slices.Equal(pcm, want) {
			t.Errorf("%s: %d of %d samples are other ones", name, differing(pcm, want), len(want))
		}
		twin := toSamples(ffmpeg(t, nil, "-i", prompts+name+".wav", "-f", "s16le"))
		if c := alike(loudness(pcm, 320), loudness(twin, 160)); c < 0.97 {
			t.Errorf("%s: the loudness correlates by %.3f only", name, c)
		}
	}
}

// loudness is the root mean square of every n samples.
func loudness(pcm []int16, n int) (out []float64) {
	for ; len(pcm) >= n; pcm = pcm[n:] {
		out = append(out, math.Pow(10, power(pcm[:n])/20))
	}
	return out
}

// alike is the correlation of a and b.
func alike(a, b []float64) float64 {
	n := min(len(a), len(b))
	var ab, aa, bb float64
	for i := range n {
		ab += a[i] * b[i]
		aa += a[i] * a[i]
		bb += b[i] * b[i]
	}
	return ab / math.Sqrt(aa*bb)
}

// Holes of 20 ms in human speech: how loud they are filled, and how sharply the sound bends at their ends.
func TestConcealmentOfHumanSpeech(t *testing.T) {
	needsFFmpeg(t)
	for _, c := range phones {
		rate := Rate(c, 0)
		frame := rate / 50
		var wrong, bends, natural []float64
		for _, name := range []string{"conf-adminmenu-162", "demo-echotest", "privacy-prompt", "vm-tomakecall"} {
			pcm := toSamples(ffmpeg(t, nil, "-i", prompts+name+".wav", "-ar", strconv.Itoa(rate), "-f", "s16le"))
			pcm = pcm[:len(pcm)/frame*frame]
			clean := lossy(t, c, pcm, func(int) bool { return false })
			got := lossy(t, c, pcm, func(i int) bool { return i%7 == 6 })
			for at := 6 * frame; at+2*frame < len(got); at += 7 * frame {
				loud := power(clean[at:][:frame])
				if loud < -45 {
					continue
				}
				wrong = append(wrong, math.Abs(power(got[at:][:frame])-loud))
				for _, end := range []int{at, at + frame} {
					bends = append(bends, bend(got, end-2, end+3))
					natural = append(natural, bend(clean, end-2, end+3))
				}
			}
		}
		if len(wrong) < 100 {
			t.Fatalf("%s: only %d holes in speech", c, len(wrong))
		}
		if m := quantile(wrong, 0.5); m > 1.8 {
			t.Errorf("%s: the loudness is wrong by %.1f dB in the median", c, m)
		}
		for _, q := range []float64{0.5, 0.9, 0.99} {
			if is, was := quantile(bends, q), quantile(natural, q); is > 1.25*was {
				t.Errorf("%s: the ends of holes bend by %.0f in the quantile %v, the speech there by %.0f", c, is, q, was)
			}
		}
	}
}

func quantile(v []float64, q float64) float64 {
	slices.Sort(v)
	return v[int(q*float64(len(v)-1))]
}

// The decoder of Opus in ffmpeg is its own; ours is libopus. What we encode they decode alike.
func TestOpusIsUnderstoodByFFmpeg(t *testing.T) {
	needsFFmpeg(t)
	speech := toSamples(ffmpeg(t, nil, "-i", prompts+"vm-tomakecall.wav", "-ar", "24000", "-f", "s16le"))
	for _, m := range modes {
		for name, pcm := range map[string][]int16{"tone": wave("tone", 24000, 48000), "speech": speech} {
			e, d := newEncoder(t, 24000, m.o), newDecoder(t, 48000)
			buf, out := make([]byte, MaxPayload), make([]int16, 5760)
			var packets [][]byte
			var ours []int16
			for ; len(pcm) >= 480; pcm = pcm[480:] {
				n, err := e.Encode(pcm[:480], buf)
				if err != nil {
					t.Fatal(err)
				}
				packets = append(packets, bytes.Clone(buf[:n]))
				if n, err = d.Decode(buf[:n], out); err != nil {
					t.Fatal(err)
				}
				ours = append(ours, out[:n]...)
			}
			theirs := toSamples(ffmpeg(t, oggOpus(packets), "-c:a", "opus", "-f", "ogg", "-i", "pipe:0", "-ar", "48000", "-ac", "1", "-f", "s16le"))
			alike, want := snr(theirs, ours, 0), 40.0
			if !m.celt { // its filter after SILK is another one, two or three samples later
				alike, want = max(snr(theirs, ours, 2), snr(theirs, ours, 3)), 25
			}
			if alike < want || len(theirs) != len(ours) {
				t.Errorf("%s, %s: %d samples, ffmpeg makes %d, %.1f dB from ours", m.name, name, len(ours), len(theirs), alike)
			}
		}
	}
}

// oggOpus is a stream of mono packets of 20 ms, none of which is to be skipped, one a page (RFC 3533, RFC 7845).
func oggOpus(packets [][]byte) []byte {
	head := append([]byte("OpusHead\x01\x01\x00\x00"), 0x80, 0xbb, 0, 0, 0, 0, 0)
	tags := append([]byte("OpusTags"), 0, 0, 0, 0, 0, 0, 0, 0)
	var out []byte
	for i, p := range slices.Concat([][]byte{head, tags}, packets) {
		flags := byte(0)
		switch i {
		case 0:
			flags = 2 // begin
		case len(packets) + 1:
			flags = 4 // end
		}
		page := append([]byte("OggS\x00"), flags)
		page = binary.LittleEndian.AppendUint64(page, uint64(max(0, i-1)*960))
		page = append(page, 1, 0, 0, 0) // the stream's number
		page = binary.LittleEndian.AppendUint32(page, uint32(i))
		page = append(page, 0, 0, 0, 0, byte(len(p)/255+1)) // checksum, and the lengths
		page = append(page, bytes.Repeat([]byte{255}, len(p)/255)...)
		page = append(append(page, byte(len(p)%255)), p...)
		var sum uint32
		for _, b := range page {
			sum ^= uint32(b) << 24
			for range 8 {
				sum = sum<<1 ^ sum>>31*0x04c11db7
			}
		}
		binary.LittleEndian.PutUint32(page[22:], sum)
		out = append(out, page...)
	}
	return out
}

// differing counts the places where a and b differ.
func differing[T comparable](a, b []T) int {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func square(n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = 32767
		if i/(1+i/500)%2 == 0 {
			out[i] = -32768
		}
	}
	return out
}
