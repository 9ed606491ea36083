package codec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/media"
)

// encodeAll encodes pcm in frames of 20 ms.
func encodeAll(t testing.TB, c media.Codec, pcm []int16) (coded []byte) {
	t.Helper()
	e, err := NewEncoder(c, Rate(c, 0), EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	buf, frame := make([]byte, MaxPayload), Rate(c, 0)/50
	for ; len(pcm) > 0; pcm = pcm[min(frame, len(pcm)):] {
		n, err := e.Encode(pcm[:min(frame, len(pcm))], buf)
		if err != nil {
			t.Fatal(err)
		}
		coded = append(coded, buf[:n]...)
	}
	return coded
}

// decodePackets decodes what is coded in packets of 20 ms.
func decodePackets(t testing.TB, c media.Codec, coded []byte) (pcm []int16) {
	t.Helper()
	d, err := NewDecoder(c, Rate(c, 0))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, 1920)
	for ; len(coded) > 0; coded = coded[min(160, len(coded)):] {
		n, err := d.Decode(coded[:min(160, len(coded))], out)
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, out[:n]...)
	}
	return pcm
}

func TestPhoneLengths(t *testing.T) {
	for _, c := range phones {
		d, k := newPhone(t, c), perByte(c)
		for _, n := range []int{0, 1, 7, 8, 19, 20, 21, 80, 159, 160, 161, 240, 480, 959, 960, 961, 1500, 65507} {
			payload, whole := bytes.Repeat([]byte{0x5a}, n), canaries(2500)
			got, err := d.Decode(payload, whole[:120*8*k])
			length, lengthErr := Duration(c)(payload)
			if n == 0 || n > 960 {
				if !errors.Is(err, ErrPacket) || !errors.Is(lengthErr, ErrPacket) || length != 0 || !intact(whole) {
					t.Errorf("%s, %d bytes: %v, %v, %v", c, n, err, length, lengthErr)
				}
				continue
			}
			if err != nil || got != n*k || !intact(whole[got:]) || lengthErr != nil || length != time.Duration(n)*time.Millisecond/8 {
				t.Errorf("%s, %d bytes: %d samples, %v, %v, %v", c, n, got, err, length, lengthErr)
			}
			whole = canaries(2500)
			if got, err = d.Decode(payload, whole[:n*k-1]); err == nil || got != 0 || !intact(whole) {
				t.Errorf("%s, %d bytes in too short a slice: %d, %v", c, n, got, err)
			}
		}
	}
}

// Packets of any length hold one stream.
func TestPhonePacketsJoin(t *testing.T) {
	for _, c := range phones {
		coded := encodeAll(t, c, wave("voice", Rate(c, 0), Rate(c, 0)))
		want := decodePackets(t, c, coded)
		d, out := newPhone(t, c), make([]int16, 1920)
		var got []int16
		for n := 1; len(coded) > 0; n = n*2%961 + 1 {
			now := coded[:min(n, len(coded))]
			coded = coded[len(now):]
			k, err := d.Decode(now, out)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, out[:k]...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d of %d samples differ", c, differing(got, want), len(want))
		}
	}
}

func TestPhoneMisuseGivesErrors(t *testing.T) {
	for _, c := range phones {
		for _, rate := range []int{0, 8000, 16000, 24000, 48000} {
			_, encErr := NewEncoder(c, rate, EncoderOptions{})
			_, decErr := NewDecoder(c, rate)
			if ok := rate == Rate(c, 48000); (encErr == nil) != ok || (decErr == nil) != ok {
				t.Errorf("%s at %d Hz: %v, %v", c, rate, encErr, decErr)
			}
		}
		e, err := NewEncoder(c, Rate(c, 0), EncoderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k, buf := perByte(c), make([]byte, 2000)
		for _, m := range []struct{ samples, room int }{{0, 100}, {160 * k, 159}, {961 * k, 2000}, {k - 1, 100}} {
			if n, err := e.Encode(make([]int16, m.samples), buf[:m.room]); err == nil || n != 0 {
				t.Errorf("%s: %d samples into %d bytes gave %d", c, m.samples, m.room, n)
			}
		}
		if n, err := e.Encode(make([]int16, 160*k), buf[:160]); n != 160 || err != nil {
			t.Errorf("%s: 20 ms gave %d bytes, %v", c, n, err)
		}
	}
	for _, c := range []media.Codec{"red", "g722"} {
		_, encErr := NewEncoder(c, 16000, EncoderOptions{})
		_, decErr := NewDecoder(c, 16000)
		if encErr == nil || decErr == nil {
			t.Errorf("%s: %v, %v", c, encErr, decErr)
		}
	}
}

func TestCodecsAllocateNothing(t *testing.T) {
	for _, c := range append(phones, media.Opus) {
		rate := Rate(c, 16000)
		e, err := NewEncoder(c, rate, EncoderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDecoder(c, rate)
		if err != nil {
			t.Fatal(err)
		}
		pcm, out, buf := wave("voice", rate, rate/50), make([]int16, 1920), make([]byte, MaxPayload)
		if n := testing.AllocsPerRun(50, func() {
			n, err := e.Encode(pcm, buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = d.Decode(buf[:n], out); err != nil {
				t.Fatal(err)
			}
			if d.Conceal(nil, out[:rate/50]) != nil || e.Reset() != nil {
				t.Fatal("no concealment or no reset")
			}
			if got, err := Duration(c)(buf[:n]); got != 20*time.Millisecond || err != nil {
				t.Fatal(got, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a frame", c, n)
		}
	}
}

// FuzzPhone: any bytes in any packets, with holes between, give an error or their duration of samples.
func FuzzPhone(f *testing.F) {
	f.Add(byte(0), []byte("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x80\x05"))
	f.Add(byte(1), []byte("\x80\x01\x55\x80\x81\x00\x00"))
	f.Add(byte(2), []byte{3, 0xfe, 0x80, 0x01, 0x83, 0x7f, 0xff, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, which byte, script []byte) {
		c := phones[int(which)%len(phones)]
		k, d, whole := perByte(c), newPhone(t, c), canaries(2500)
		for len(script) > 0 { // a byte: 0x80 and a number of 2.5 ms, or how many bytes of payload follow, eight times
			n := int(script[0] & 0x7f)
			if script[0]&0x80 != 0 {
				if err := d.Conceal(script, whole[:n%48*20*k]); (err == nil) != (n%48 > 0) {
					t.Fatalf("%s: conceal %d × 2.5 ms: %v", c, n%48, err)
				}
				script = script[1:]
				continue
			}
			payload := bytes.Repeat(script[1:min(1+n, len(script))], 1+n/2)
			got, err := d.Decode(payload, whole[:1920])
			want, bad := Duration(c)(payload)
			if (err == nil) != (bad == nil) || got != int(want*8*time.Duration(k)/time.Millisecond) {
				t.Fatalf("%s, %d bytes: %d samples, %v; want %v, %v", c, len(payload), got, err, want, bad)
			}
			script = script[min(1+n, len(script)):]
		}
		if !intact(whole[1920:]) {
			t.Fatal("wrote beyond the slice")
		}
	})
}

func BenchmarkPhone(b *testing.B) {
	for _, c := range phones {
		pcm := wave("voice", Rate(c, 0), Rate(c, 0))
		coded, frame := encodeAll(b, c, pcm), Rate(c, 0)/50
		b.Run(fmt.Sprint("encode ", c), func(b *testing.B) {
			e, err := NewEncoder(c, Rate(c, 0), EncoderOptions{})
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, MaxPayload)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := e.Encode(pcm[i%50*frame:][:frame], buf); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("decode ", c), func(b *testing.B) {
			d, out := newPhone(b, c), make([]int16, 1920)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := d.Decode(coded[i%50*160:][:160], out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
