package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"parley/internal/provider"
)

// eventsOf is a service that sends its sound as events of n bytes.
func eventsOf(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, status, why := refusal(r)
		if status != 0 {
			http.Error(w, why, status)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		pcm := ramp(240 * utf8.RuneCountInString(a.Input))
		for len(pcm) > 0 {
			k := min(len(pcm), n)
			_, _ = io.WriteString(w, delta(pcm[:k]))
			_ = http.NewResponseController(w).Flush()
			pcm = pcm[k:]
		}
		_, _ = io.WriteString(w, speechDone)
	}
}

func delta(b []byte) string {
	return `data: {"type":"speech.audio.delta","audio":"` + base64.StdEncoding.EncodeToString(b) + `"}` + "\n\n"
}

const speechDone = `data: {"type":"speech.audio.done","usage":{"input_tokens":9,"output_tokens":90,"total_tokens":99}}` + "\n\n"

// wavOf is a file; size is what its header says of the samples, −1 for the truth.
func wavOf(rate, channels, bits, size int, extra string, pcm []byte) []byte {
	le := binary.LittleEndian
	if size < 0 {
		size = len(pcm)
	}
	b := append([]byte("RIFF\xff\xff\xff\xffWAVE"), extra...)
	b = le.AppendUint32(append(b, "fmt "...), 16)
	b = le.AppendUint16(le.AppendUint16(b, 1), uint16(channels))
	b = le.AppendUint32(le.AppendUint32(b, uint32(rate)), uint32(rate*channels*bits/8))
	b = le.AppendUint16(le.AppendUint16(b, uint16(channels*bits/8)), uint16(bits))
	b = le.AppendUint32(append(b, "data"...), uint32(size))
	return append(b, pcm...)
}

var soundTests = []struct {
	name, kind string
	body       string
	samples    int // of a ramp
	rate       int
	class      error
	says       string
}{
	{"PCM", "audio/pcm", string(ramp(500)), 500, 24000, nil, ""},
	{"PCM of no type", "", string(ramp(500)), 500, 24000, nil, ""},
	{"PCM of a wrong type", "text/html", string(ramp(500)), 500, 24000, nil, ""},
	{"one sample", "audio/pcm", string(ramp(1)), 1, 24000, nil, ""},
	{"nothing", "audio/pcm", "", 0, 0, nil, ""},
	{"10 half a sample at the end", "audio/pcm", string(ramp(500)) + "x", 500, 24000, provider.ErrTruncated, "EOF"},

	{"WAV", "audio/wav", string(wavOf(16000, 1, 16, -1, "", ramp(500))), 500, 16000, nil, ""},
	{"WAV of no type", "audio/pcm", string(wavOf(22050, 1, 16, -1, "LIST\x03\x00\x00\x00abc\x00", ramp(500))), 500, 22050, nil, ""},
	{"WAV of unknown length", "audio/wav", string(wavOf(24000, 1, 16, 0xFFFFFFFF, "", ramp(500))), 500, 24000, nil, ""},
	{"WAV of length 0", "audio/wav", string(wavOf(24000, 1, 16, 0, "", ramp(500))), 500, 24000, nil, ""},
	{"WAV with something behind", "audio/wav", string(wavOf(24000, 1, 16, -1, "", ramp(500))) + "LIST\x01\x00\x00\x00a", 500, 24000, nil, ""},
	{"WAV with something behind, cut", "audio/wav", string(wavOf(24000, 1, 16, 1000, "", ramp(501))), 500, 24000, nil, ""},
	{"WAV that is shorter than it says", "audio/wav", string(wavOf(24000, 1, 16, 2000, "", ramp(500))), 500, 24000, provider.ErrTruncated, "EOF"},
	{"WAV in stereo", "audio/wav", string(wavOf(24000, 2, 16, -1, "", ramp(500))), 0, 0, provider.ErrUnavailable, "2 channels"},
	{"WAV of 8 bits", "audio/wav", string(wavOf(24000, 1, 8, -1, "", ramp(500))), 0, 0, provider.ErrUnavailable, "8 bits"},
	{"WAV at 0 Hz", "audio/wav", string(wavOf(0, 1, 16, -1, "", ramp(500))), 0, 0, provider.ErrUnavailable, "0 Hz"},
	{"WAV cut in its header", "audio/wav", "RIFF\x00\x00\x00\x00WAVEfmt ", 0, 0, provider.ErrTruncated, "EOF"},
	{"WAV without a format", "audio/wav", "RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00", 0, 0, provider.ErrUnavailable, "no format"},
	{"an AVI", "audio/wav", "RIFF\x00\x00\x00\x00AVI LIST", 0, 0, provider.ErrUnavailable, "it is none"},

	{"7 events", "text/event-stream", delta(ramp(500)[:333]) + delta(ramp(500)[333:]) + speechDone, 500, 24000, nil, ""},
	{"7 events of no type, pings", "", ": hello\n\n" + delta(ramp(500)) + ":\n\n" + speechDone + "data: [DONE]\n\n", 500, 24000, nil, ""},
	{"7 events, an unknown one", "text/event-stream", `data: {"type":"speech.audio.mark"}` + "\n\n" + delta(ramp(5)) + speechDone, 5, 24000, nil, ""},
	{"7 events without their end", "text/event-stream", delta(ramp(500)), 500, 24000, provider.ErrTruncated, "EOF"},
	{"7 events, [DONE] alone", "text/event-stream", delta(ramp(500)) + "data: [DONE]\n\n", 500, 24000, provider.ErrTruncated, "EOF"},
	{"7 no base64", "text/event-stream", `data: {"type":"speech.audio.delta","audio":"?"}` + "\n\n", 0, 24000, provider.ErrUnavailable, "malformed"},
	{"7 error event", "text/event-stream", delta(ramp(500)) + `data: {"type":"error","error":{"message":"it broke","code":"server_error"}}` + "\n\n", 500, 24000, provider.ErrUnavailable, "it broke"},

	{"5 JSON error that claims to be sound", "audio/pcm", `{"error":{"message":"it broke ` + key + `","code":"server_error"}}`, 0, 0, provider.ErrUnavailable, "it broke [key]"},
	{"5 JSON error", "application/json", `{"detail":"invalid key","type":"error","code":"authentication_error"}`, 0, 0, provider.ErrAuth, "invalid key"},
	{"5 JSON that is no error", "application/json", `{"audio":"url"}`, 0, 0, provider.ErrUnavailable, `no sound: {"audio":"url"}`},
	{"5 short JSON error", "audio/pcm", `{"error":"x y"}`, 0, 0, provider.ErrUnavailable, "x y"},
	{"web page", "audio/pcm", "<!doctype html>\n<title>Sign in</title>\n", 0, 0, provider.ErrUnavailable, "Sign in"},
	{"plain text", "audio/pcm", "upstream connect error or disconnect/reset before headers. reset reason: overflow", 0, 0, provider.ErrUnavailable, "upstream connect error"},
	{"MP3 by its type", "audio/mpeg", "\xff\xfb\x90\x64" + string(ramp(100)), 0, 0, provider.ErrBadRequest, "audio/mpeg"},
	{"MP3 by its mark", "audio/pcm", "ID3\x04\x00" + string(ramp(100)), 0, 0, provider.ErrBadRequest, "MP3"},
	{"Ogg", "audio/pcm", "OggS\x00" + string(ramp(100)), 0, 0, provider.ErrBadRequest, "Ogg"},
}

func TestSounds(t *testing.T) {
	for _, tt := range soundTests {
		t.Run(tt.name, func(t *testing.T) {
			v := voice(t, func(w http.ResponseWriter, r *http.Request) {
				if _, _, why := refusal(r); why != "" {
					t.Error(why)
				}
				w.Header().Set("Content-Type", tt.kind)
				_, _ = io.WriteString(w, tt.body)
			}, Options{})
			pcm, rate, err := said(v, "Hello.")
			if len(pcm) != tt.samples || len(pcm) > 0 && rate != tt.rate || isRamp(pcm) != nil {
				t.Errorf("%d samples at %d Hz, %v; want %d at %d", len(pcm), rate, isRamp(pcm), tt.samples, tt.rate)
			}
			if tt.class != nil {
				fails(t, err, tt.class, tt.says)
			} else if err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestWords shows whose mistake an error is that came with status 200.
func TestWords(t *testing.T) {
	_, _, err := open(strings.NewReader(`{"error":{"message":"no","type":"invalid_request_error"}}`), "", 24000)
	fails(t, err, provider.ErrBadRequest, "no")
}

// TestChangingRate has the second phrase come at another rate, which one call cannot have.
func TestChangingRate(t *testing.T) {
	n := 0
	v := voice(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		_, _ = w.Write(wavOf(8000*n, 1, 16, -1, "", ramp(100)))
	}, Options{})
	pcm, _, err := said(v, "One.", "Two.")
	fails(t, err, provider.ErrUnavailable, "16000 Hz came after some of 8000 Hz")
	if len(pcm) != 100 {
		t.Errorf("%d samples", len(pcm))
	}
}

// FuzzOpen looks for a panic, for an error without a class, and for samples that depend on how a body comes in
// pieces.
func FuzzOpen(f *testing.F) {
	for _, tt := range soundTests {
		f.Add(tt.kind, []byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		at := func(r io.Reader) (string, error) {
			sound, rate, err := open(r, kind, 24000)
			if err != nil {
				return "", err
			}
			b, err := io.ReadAll(sound)
			return fmt.Sprint(rate, b), err
		}
		whole, err := at(bytes.NewReader(body))
		cut, cutErr := at(iotest.OneByteReader(bytes.NewReader(body)))
		if whole != cut || fmt.Sprint(err) != fmt.Sprint(cutErr) {
			t.Errorf("at once %.80q, %v; by bytes %.80q, %v", whole, err, cut, cutErr)
		}
		var e *provider.Error
		if errors.As(err, &e) && e.Class == nil {
			t.Errorf("error %+v", e)
		}
	})
}

func FuzzParts(f *testing.F) {
	f.Add("One. Two, three — four。五、六", 4)
	f.Add("e\u0301te\u0301 👩‍👩‍👧 שלום a\xffb", 3)
	f.Fuzz(func(t *testing.T, in string, most int) {
		most = 1 + abs(most)%5000
		var all strings.Builder
		for _, p := range parts(in, most) {
			if n := utf8.RuneCountInString(p); n == 0 || n > most || !utf8.ValidString(p) || !spoken(p) {
				t.Errorf("part %q of %d characters, %d are allowed", p, n, most)
			}
			all.WriteString(p)
		}
		if got, want := letters(all.String()), letters(strings.ToValidUTF8(in, " ")); got != want {
			t.Errorf("letters %q, want %q", got, want)
		}
	})
}

func abs(n int) int { return max(n, -max(n, -1<<40)) }

// letters are what a text has of them and of numbers.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if spoken(string(r)) {
			return r
		}
		return -1
	}, s)
}

func TestParts(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"One two.", 20, "One two."},
		{"One. Two. Three.", 12, "One. Two.|Three."},
		{"One, two three four", 12, "One,|two three|four"},
		{"one two three", 9, "one two|three"},
		{"3.141592653589", 6, "3.1415|926535|89"},
		{"日本語です。はい。", 7, "日本語です。|はい。"},
		{" …\n", 9, ""},
		{"👩‍👩‍👧", 9, ""},
		{"a\xffb", 9, "a b"},
	} {
		if got := strings.Join(parts(tt.in, tt.most), "|"); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}
