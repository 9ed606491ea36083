package provider

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// events reads all events of s and returns them as "type:data", and the error if it is not io.EOF.
func events(r io.Reader) (out []string, err error) {
	e := NewEvents(r)
	for {
		ev, err := e.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, ev.Type+":"+string(ev.Data))
	}
}

var sseTests = []struct {
	name, in string
	want     []string
	err      error
}{
	{"plain", "data: {\"a\":1}\n\ndata: [DONE]\n\n", []string{`:{"a":1}`, ":[DONE]"}, nil},
	{"no space", "data:{}\n\n", []string{":{}"}, nil},
	{"named", "event: ping\ndata: {}\n\n", []string{"ping:{}"}, nil},
	{"a name without data is forgotten", "event: ping\n\ndata: {}\n\n", []string{":{}"}, nil},
	{"id and retry", "id: 7\nretry: 10\ndata: {}\n\n", []string{":{}"}, nil},
	{"CRLF", "data: {\"a\":1}\r\n\r\ndata: {\"b\":2}\r\n\r\n", []string{`:{"a":1}`, `:{"b":2}`}, nil},
	{"CR", "data: {\"a\":1}\r\rdata: {\"b\":2}\r\r", []string{`:{"a":1}`, `:{"b":2}`}, nil},
	{"byte order mark", "\ufeffdata: {}\n\n", []string{":{}"}, nil},
	{"comments", ": hello\n:\n\n:\n\ndata: {}\n:\n\n", []string{":{}"}, nil},
	{"many pings", strings.Repeat(":\n\n", 1000) + "data: {}\n\n", []string{":{}"}, nil},
	{"data in many lines", "data: {\"a\":\ndata: 1\ndata: }\n\n", []string{":{\"a\":\n1\n}"}, nil},
	{"text in two lines", "data: x\ndata: y\n\n", []string{":x\ny"}, nil},
	{"empty data", "data:\n\ndata: \n\ndata: {}\n\n", []string{":{}"}, nil},
	{"no blank lines", "data: {\"a\":1}\ndata: {\"b\":2}\n", []string{`:{"a":1}`, `:{"b":2}`}, nil},
	{"last event without its end", "data: {\"a\":1}\n\ndata: {\"b\":2}", []string{`:{"a":1}`, `:{"b":2}`}, nil},
	{"last event cut", "data: {\"a\":1}\n\ndata: {\"b\":", []string{`:{"a":1}`}, io.ErrUnexpectedEOF},
	{"error line", "error: {\"code\":500}\n\n", []string{`error:{"code":500}`}, nil},
	{"error line cut", "error: {\"code\"", []string{`error:{"code"`}, nil},
	{"error event", "event: error\ndata: {\"message\":\"x\"}\n\n", []string{`error:{"message":"x"}`}, nil},
	{"error event in words", "event: error\ndata: it broke\n\n", []string{"error:it broke"}, nil},
	{"JSON body", "{\"error\": {\"message\": \"x\"}}", []string{`stray:{"error": {"message": "x"}}`}, nil},
	{"JSON body in lines", "{\n \"error\":\n\n \"x\"\n}\n", []string{"stray:{\n \"error\":\n \"x\"\n}"}, nil},
	{"JSON line after events", "data: {}\n\n{\"error\":\"x\"}\n", []string{":{}", `stray:{"error":"x"}`}, nil},
	{"web page", "<html>\n\n<title>Sign in</title>", []string{"stray:<html>\n<title>Sign in</title>"}, nil},
	{"plain text", "upstream connect error\n", []string{"stray:upstream connect error"}, nil},
	{"plain text after events", "data: {}\n\nbye\n", []string{":{}"}, nil},
	{"nothing", "", nil, nil},
	{"blank", "\n\n\n", nil, nil},
	{"too long a line", "data: {\"a\":\"" + strings.Repeat("x", MaxEvent) + "\"}\n\n", nil, errTooLong},
	{"too many lines", strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 1100), nil, errTooLong},
}

func TestEvents(t *testing.T) {
	for _, tt := range sseTests {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(tt.in), "by bytes": iotest.OneByteReader(strings.NewReader(tt.in))} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				got, err := events(r)
				if !slices.Equal(got, tt.want) {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
			})
		}
	}
}

// TestAtOnce shows that an event does not wait for what follows it.
func TestAtOnce(t *testing.T) {
	for _, in := range []string{"data: {\"a\":{}}\n", "error: {\"a\":1}\n", "{\"error\":\"x\"}\n", "data: [DONE]\n", "data: x\n\n"} {
		t.Run(in, func(t *testing.T) {
			blocked := errors.New("would block")
			e := NewEvents(io.MultiReader(strings.NewReader(in), iotest.ErrReader(blocked)))
			if ev, err := e.Next(); err != nil {
				t.Errorf("got %+v, %v", ev, err)
			}
			if _, err := e.Next(); err != blocked {
				t.Errorf("then %v", err)
			}
			if _, err := e.Next(); err != blocked {
				t.Errorf("and then %v", err)
			}
		})
	}
}

func FuzzEvents(f *testing.F) {
	for _, tt := range sseTests {
		f.Add(tt.in[:min(len(tt.in), 1000)])
	}
	f.Fuzz(func(t *testing.T, in string) {
		whole, err := events(strings.NewReader(in))
		cut, cutErr := events(iotest.OneByteReader(strings.NewReader(in)))
		if !slices.Equal(whole, cut) || fmt.Sprint(err) != fmt.Sprint(cutErr) {
			t.Errorf("read at once %q, %v; by bytes %q, %v", whole, err, cut, cutErr)
		}
	})
}
