package openai

import (
	"encoding/binary"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"parley/internal/provider"
)

// wrong says what is wrong with a request's file: 16-bit mono of a length that its header tells, all its samples
// those of frames, and no shorter than OpenAI takes.
func (a asked) wrong() string {
	b, le := a.file, binary.LittleEndian
	switch {
	case len(b) < 44 || string(b[:4]) != "RIFF" || string(b[8:16]) != "WAVEfmt " || string(b[36:40]) != "data":
		return "no WAV"
	case int(le.Uint32(b[4:])) != len(b)-8 || int(le.Uint32(b[40:])) != len(b)-44:
		return "lengths"
	case le.Uint32(b[16:]) != 16 || le.Uint16(b[20:]) != 1 || le.Uint16(b[22:]) != 1 || le.Uint16(b[32:]) != 2 || le.Uint16(b[34:]) != 16:
		return "format"
	case le.Uint32(b[28:]) != 2*le.Uint32(b[24:]):
		return "rate"
	case len(b)-44 < int(le.Uint32(b[28:]))/10:
		return "audio file is too short"
	}
	for i := 44; i < len(b); i += 2 {
		if s := int16(le.Uint16(b[i:])); s > 20000-1 || s < -20000+1 {
			return "samples that were overwritten"
		}
	}
	return ""
}

// Test1Form checks what is sent.
func Test1Form(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		want map[string]string
	}{
		"plain":  {Options{}, map[string]string{"model": "gpt-4o-mini-transcribe", "response_format": "json"}},
		"all":    {Options{Model: "m", Language: "ja", Prompt: "été 日本 👩‍👩‍👧"}, map[string]string{"model": "m", "response_format": "json", "language": "ja", "prompt": "été 日本 👩‍👩‍👧"}},
		"words":  {Options{Words: true}, map[string]string{"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "word"}},
		"stream": {Options{Stream: true, Language: "ja", Prompt: "日本"}, map[string]string{"model": "gpt-4o-mini-transcribe", "response_format": "json", "stream": "true", "language": "ja", "prompt": "日本"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := recognizer(t, says(func(w http.ResponseWriter, a asked) {
				if !reflect.DeepEqual(a.fields, tt.want) {
					t.Errorf("fields %q, want %q", a.fields, tt.want)
				}
				if n := len(a.file); n != 44+10*640 {
					t.Errorf("a file of %d bytes", n)
				}
				plain(w, a)
			}), tt.o)
			if got, err := told(r, frames(rep("v", 10)+"!")); err != nil || got != "onset 10s|final 10s-10.2s la la" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestWords(t *testing.T) {
	got, err := told(recognizer(t, says(timed), Options{Words: true}), frames("...."+rep("v", 50)+rep(".", 20)+"!"))
	want := "onset 10.08s|final 10.08s-11.48s Hello, there. [Hello 10.33s-10.58s] [there 10.58s-11.48s]"
	if err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

// Test2Stream tells deltas as Partials.
func Test2Stream(t *testing.T) {
	r := recognizer(t, says(func(w http.ResponseWriter, a asked) {
		for _, e := range []string{": ping\n\n", delta(" e\u0301t"), delta("e\u0301 日"), `data: {"type":"transcript.text.segment","text":"x","start":0}` + "\n\n", delta("本 👩‍👩‍👧"), delta(""), textDone("e\u0301te\u0301 日本 👩‍👩‍👧 שלום")} {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
		}
	}), Options{Stream: true})
	got, err := told(r, frames(rep("v", 10)+"!"))
	want := "onset 10s|partial 10s-10.2s e\u0301t|partial 10s-10.2s e\u0301te\u0301 日|partial 10s-10.2s e\u0301te\u0301 日本 👩‍👩‍👧|final 10s-10.2s e\u0301te\u0301 日本 👩‍👩‍👧 שלום"
	if err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

var answers = []struct {
	name   string
	stream bool
	body   string
	want   string
	class  error
	says   string
}{
	{"text", false, `{"text":" Hi "}`, "Hi", nil, ""},
	{"null error", false, `{"error":null,"text":"Hi"}`, "Hi", nil, ""},
	{"nothing heard", false, `{"text":""}`, "", nil, ""},
	{"lines", false, "\n{\n \"text\": \"Hi\"\n}\n", "Hi", nil, ""},
	{"JSON error at status 200", false, `{"error":{"message":"it broke ` + key + `"}}`, "", provider.ErrUnavailable, "it broke [key]"},
	{"web page", false, "<!doctype html>\n<title>Sign in</title>\n", "", provider.ErrUnavailable, "Sign in"},
	{"plain text", false, "Hi", "", provider.ErrUnavailable, "Hi"},
	{"array", false, `["Hi"]`, "", provider.ErrBadRequest, "Hi"},
	{"null", false, `null`, "", provider.ErrBadRequest, "null"},
	{"cut", false, `{"text":"H`, "", provider.ErrTruncated, "EOF"},
	{"empty", false, ``, "", provider.ErrTruncated, "EOF"},
	{"of another type", false, `{"text":5}`, "", provider.ErrUnavailable, "not as agreed"},

	{"2 done alone", true, textDone(" Hi "), "Hi", nil, ""},
	{"2 nothing heard", true, textDone(""), "", nil, ""},
	{"2 named events", true, "event: transcript.text.done\n" + textDone("Hi"), "Hi", nil, ""},
	{"2 last event without its end", true, strings.TrimSpace(textDone("Hi")), "Hi", nil, ""},
	{"2 pings", true, rep(":\n\n", 400) + textDone("Hi"), "Hi", nil, ""},
	{"2 null error", true, `data: {"error":null,"type":"transcript.text.done","text":"Hi"}` + "\n\n", "Hi", nil, ""},
	{"3 plain JSON", true, `{"text":" Hi ","usage":{"type":"duration","seconds":1}}`, "Hi", nil, ""},
	{"3 plain JSON without text", true, `{"text":""}`, "", nil, ""},
	{"3 plain JSON in lines", true, "\n{\n \"text\": \"Hi\"\n}\n", "Hi", nil, ""},
	{"10 unknown events", true, `data: {"type":"transcript.text.mood"}` + "\n\n" + `data: {}` + "\n\n" + textDone("Hi"), "Hi", nil, ""},
	{"no done", true, delta("Hi"), "", provider.ErrTruncated, "EOF"},
	{"no done but [DONE]", true, delta("Hi") + "data: [DONE]\n\n", "", provider.ErrTruncated, "EOF"},
	{"stream cut", true, delta("Hi") + `data: {"type":"tra`, "", provider.ErrTruncated, "EOF"},
	{"nothing", true, "", "", provider.ErrTruncated, "EOF"},
	{"8 error event", true, delta("Hi") + `data: {"error":{"message":"it broke ` + key + `","code":"server_error"}}` + "\n\n", "", provider.ErrUnavailable, "it broke [key]"},
	{"8 error event of a name", true, "event: error\ndata: {\"message\":\"it broke\"}\n\n", "", provider.ErrUnavailable, "it broke"},
	{"error at status 200", true, `{"error":{"message":"no such model","type":"invalid_request_error"}}`, "", provider.ErrBadRequest, "no such model"},
	{"page", true, "<!doctype html>\n<title>Sign in</title>\n", "", provider.ErrUnavailable, "Sign in"},
	{"malformed", true, "data: {nope}\n\n", "", provider.ErrUnavailable, "malformed"},
	{"of another type, streamed", true, `data: {"type":5}` + "\n\n" + `data: {"type":"transcript.text.done","text":"Hi"}` + "\n\n", "Hi", nil, ""},
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			r := recognizer(t, says(func(w http.ResponseWriter, _ asked) { _, _ = io.WriteString(w, tt.body) }), Options{Stream: tt.stream})
			got, err := told(r, frames(rep("v", 10)+"!"))
			if want := strings.TrimSpace("final 10s-10.2s " + tt.want); tt.class == nil && (err != nil || !strings.HasSuffix(got, "|"+want)) {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
			if tt.class != nil {
				fails(t, err, tt.class, tt.says)
			}
			if tt.class != nil && strings.Contains(got, "final") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestErrorAtOnce has the server go silent after an error: it is told all the same.
func TestErrorAtOnce(t *testing.T) {
	for _, stream := range []bool{false, true} {
		h, _ := slow(0, []byte(`{"error":{"message":"it broke","code":"invalid_x"}}`))
		_, err := told(recognizer(t, h, Options{Stream: stream}), frames("vvvv!"))
		fails(t, err, provider.ErrBadRequest, "it broke")
	}
}
