package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// file builds a WAV file from its parts, so that each can be wrong.
type file struct {
	format, channels, bits uint16
	rate                   uint32
	extensible             bool
	before                 string // chunks before the format
	data                   []byte
	size                   *uint32 // of data, if not its length
	after                  string
}

func (f file) bytes() []byte {
	le := binary.LittleEndian
	tag := f.format
	if f.extensible {
		tag = formatExtensible
	}
	var c []byte
	c = le.AppendUint16(c, tag)
	c = le.AppendUint16(c, f.channels)
	c = le.AppendUint32(c, f.rate)
	align := f.channels * f.bits / 8
	c = le.AppendUint32(c, f.rate*uint32(align))
	c = le.AppendUint16(c, align)
	c = le.AppendUint16(c, f.bits)
	if f.extensible {
		c = le.AppendUint16(c, 22)
		c = le.AppendUint16(c, f.bits)
		c = le.AppendUint32(c, 0)
		c = le.AppendUint16(c, f.format)
		c = append(c, guidTail...)
	}
	size := uint32(len(f.data))
	if f.size != nil {
		size = *f.size
	}
	b := append([]byte("RIFF\x10\x00\x00\x00WAVE"), f.before...)
	b = append(b, "fmt "...)
	b = le.AppendUint32(b, uint32(len(c)))
	b = append(b, c...)
	b = append(b, "data"...)
	b = le.AppendUint32(b, size)
	b = append(b, f.data...)
	return append(b, f.after...)
}

func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func ptr(v uint32) *uint32 { return &v }

func TestDecode(t *testing.T) {
	nan := float32(math.NaN())
	odd := "LIST\x03\x00\x00\x00abc\x00"
	for _, c := range []struct {
		name string
		in   file
		want []int16
	}{
		{"16 bit", file{formatPCM, 1, 16, 16000, false, "", []byte{1, 0, 0xff, 0xff, 0, 0x80, 0xff, 0x7f}, nil, ""}, []int16{1, -1, -32768, 32767}},
		{"8 bit", file{formatPCM, 1, 8, 8000, false, "", []byte{128, 255, 0}, nil, ""}, []int16{0, 32512, -32768}},
		{"24 bit", file{formatPCM, 1, 24, 48000, false, "", []byte{0, 1, 0, 0xff, 0xff, 0x7f, 0, 0, 0x80}, nil, ""}, []int16{1, 32767, -32768}},
		{"32 bit", file{formatPCM, 1, 32, 96000, false, "", []byte{0, 0, 5, 0, 0, 0, 0xfb, 0xff}, nil, ""}, []int16{5, -5}},
		{"float", file{formatFloat, 1, 32, 22050, false, "", floats(0, 0.5, -1, 7, nan), nil, ""}, []int16{0, 16384, -32768, 32767, 0}},
		{"extensible", file{formatPCM, 1, 16, 44100, true, "", []byte{7, 0}, nil, ""}, []int16{7}},
		{"stereo is averaged", file{formatPCM, 2, 16, 44100, false, "", []byte{10, 0, 20, 0, 0, 0x80, 0, 0x80}, nil, ""}, []int16{15, -32768}},
		{"six channels", file{formatPCM, 6, 8, 8000, true, "", []byte{134, 128, 128, 128, 128, 128}, nil, ""}, []int16{256}},
		{"odd chunk before", file{formatPCM, 1, 16, 16000, false, odd, []byte{7, 0}, nil, odd}, []int16{7}},
		{"rest after the data", file{formatPCM, 1, 16, 16000, false, "", []byte{7, 0}, nil, odd}, []int16{7}},
		{"length unknown", file{formatPCM, 1, 16, 16000, false, "", []byte{7, 0, 8, 0}, ptr(0xFFFFFFFF), ""}, []int16{7, 8}},
		{"length of a sox pipe", file{formatPCM, 1, 16, 16000, false, "", []byte{7, 0, 8, 0}, ptr(0x7FFFFFFE), ""}, []int16{7, 8}},
		{"half a sample at the end", file{formatPCM, 1, 16, 16000, false, "", []byte{7, 0, 8}, nil, ""}, []int16{7}},
		{"empty", file{formatPCM, 1, 16, 16000, false, "", nil, nil, ""}, nil},
	} {
		a, err := Decode(bytes.NewReader(c.in.bytes()), time.Second)
		if err != nil || a.Rate != int(c.in.rate) || !slices.Equal(a.PCM, c.want) {
			t.Errorf("%s: %v at %d, %v; want %v", c.name, a.PCM, a.Rate, err, c.want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	good := file{formatPCM, 1, 16, 16000, false, "", make([]byte, 2000), nil, ""}
	for _, c := range []struct {
		name string
		in   []byte
		is   error
		want string
	}{
		{"nothing", nil, ErrFormat, "ends before its first 12 bytes"},
		{"an MP3", []byte("ID3\x04 and so on and on"), ErrFormat, "does not begin with RIFF"},
		{"an AVI", []byte("RIFF\x00\x00\x00\x00AVI and so on"), ErrFormat, "not WAVE"},
		{"RF64", []byte("RF64\xff\xff\xff\xffWAVEds64"), ErrFormat, "RF64"},
		{"data first", []byte("RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00"), ErrFormat, "before its format"},
		{"no data", good.bytes()[:36], ErrFormat, "ends before a data chunk"},
		{"cut in a chunk", []byte("RIFF\x00\x00\x00\x00WAVELIST\x00\x01\x00\x00abc"), ErrFormat, `chunk "LIST"`},
		{"short format", []byte("RIFF\x00\x00\x00\x00WAVEfmt \x0e\x00\x00\x00"), ErrFormat, "14 bytes"},
		{"A-law", file{6, 1, 8, 8000, false, "", []byte{1}, nil, ""}.bytes(), ErrFormat, "8-bit in format 6"},
		{"float of 64 bits", file{formatFloat, 1, 64, 8000, false, "", nil, nil, ""}.bytes(), ErrFormat, "64-bit in format 3"},
		{"no channels", file{formatPCM, 0, 16, 8000, false, "", nil, nil, ""}.bytes(), ErrFormat, "no channels"},
		{"rate 0", file{formatPCM, 1, 16, 0, false, "", nil, nil, ""}.bytes(), ErrFormat, "0 Hz"},
		{"rate 4 GHz", file{formatPCM, 1, 16, 4e9, false, "", nil, nil, ""}.bytes(), ErrFormat, "4000000000 Hz"},
		{"truncated", good.bytes()[:1000], io.ErrUnexpectedEOF, "956 of the 2000 bytes"},
		{"too long", file{formatPCM, 1, 16, 16000, false, "", make([]byte, 64002), nil, ""}.bytes(), ErrFormat, "longer than 2s"},
	} {
		_, err := Decode(bytes.NewReader(c.in), 2*time.Second)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func TestTruncatedGivesWhatIsThere(t *testing.T) {
	a, err := Decode(bytes.NewReader(file{formatPCM, 1, 16, 16000, false, "", []byte{7, 0}, ptr(100), ""}.bytes()), time.Second)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !slices.Equal(a.PCM, []int16{7}) {
		t.Errorf("%v, %v", a.PCM, err)
	}
}

func TestReadErrorsPass(t *testing.T) {
	broken := errors.New("disk on fire")
	good := file{formatPCM, 1, 16, 16000, false, "", make([]byte, 200), nil, ""}.bytes()
	for _, n := range []int{0, 14, 30, 100} {
		_, err := Decode(io.MultiReader(bytes.NewReader(good[:n]), failing{broken}), time.Second)
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadFileNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	if _, err := ReadFile(path, time.Second); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, time.Second); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wav")
	w, err := Create(path, 48000)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, want []int16) {
		t.Helper()
		a, err := ReadFile(path, time.Second)
		if err != nil || a.Rate != 48000 || !slices.Equal(a.PCM, want) {
			t.Errorf("%s: %v at %d, %v; want %v", when, a.PCM, a.Rate, err, want)
		}
	}
	for i, step := range []struct {
		do   error
		want []int16
	}{
		{nil, nil},
		{w.Write([]int16{1, -2}), []int16{1, -2}},
		{w.WriteAt([]int16{5}, 4), []int16{1, -2, 0, 0, 5}},
		{w.WriteAt([]int16{3, 4}, 2), []int16{1, -2, 3, 4, 5}},
		{w.Write([]int16{6}), []int16{1, -2, 3, 4, 5, 6}},
		{w.Extend(8), []int16{1, -2, 3, 4, 5, 6, 0, 0}},
		{w.Extend(2), []int16{1, -2, 3, 4, 5, 6, 0, 0}},
	} {
		if step.do != nil {
			t.Error(i, step.do)
		}
		if i == 6 {
			check("before Close", step.want)
		}
	}
	if err := w.WriteAt([]int16{1}, -1); err == nil {
		t.Error("negative place taken")
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	check("after Close", []int16{1, -2, 3, 4, 5, 6, 0, 0})
	b, err := os.ReadFile(path)
	if err != nil || binary.LittleEndian.Uint32(b[4:]) != uint32(len(b)-8) || binary.LittleEndian.Uint32(b[40:]) != 16 {
		t.Errorf("sizes in % x, %v", b[:44], err)
	}
}

func TestCreateFails(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "no", "x.wav"), 16000); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("rate 0 taken")
		}
	}()
	_, _ = Create(filepath.Join(t.TempDir(), "x.wav"), 0)
}

func TestFullDisk(t *testing.T) {
	if _, err := Create("/dev/full", 16000); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("%v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, bits := range []uint16{8, 16, 24, 32} {
		for _, ext := range []bool{false, true} {
			f.Add(file{formatPCM, 2, bits, 16000, ext, "LIST\x01\x00\x00\x00a\x00", make([]byte, 48), nil, ""}.bytes())
		}
	}
	f.Add(file{formatFloat, 1, 32, 16000, false, "", floats(1, -1), ptr(0xFFFFFFFF), ""}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Decode(bytes.NewReader(b), time.Minute)
		if len(a.PCM) > len(b) {
			t.Errorf("%d samples from %d bytes", len(a.PCM), len(b))
		}
		if err == nil && (a.Rate < minRate || a.Rate > MaxRate) {
			t.Errorf("rate %d", a.Rate)
		}
	})
}

func ExampleDecode() {
	a, err := Decode(strings.NewReader("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00\x01\x00\x02\x00"), time.Minute)
	fmt.Println(a.Rate, a.PCM, a.Duration(), err)
	// Output: 8000 [1 2] 250µs <nil>
}

func TestLevel(t *testing.T) {
	square := func(low, high int16) []int16 {
		pcm := make([]int16, 320)
		for i := range pcm {
			pcm[i] = low
			if i%2 == 0 {
				pcm[i] = high
			}
		}
		return pcm
	}
	for _, c := range []struct {
		name string
		pcm  []int16
		want float64
	}{
		{"nothing", nil, -120},
		{"silence", make([]int16, 320), -120},
		{"an offset", square(300, 300), -120},
		{"full scale", square(-32767, 32767), 0},
		{"a tenth", square(-3277, 3277), -20},
		{"a tenth with an offset", square(-2277, 4277), -20},
	} {
		if got := Level(c.pcm); math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s: %.2f dBFS, want %.2f", c.name, got, c.want)
		}
	}
}
