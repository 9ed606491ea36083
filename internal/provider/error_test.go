package provider

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The name of a class leads back to it.
func TestClassNames(t *testing.T) {
	for _, want := range []error{ErrAuth, ErrQuota, ErrBadRequest, ErrUnavailable, ErrTruncated} {
		if name := ClassName(fmt.Errorf("ask: %w", want)); name == "" || NamedClass(name) != want {
			t.Errorf("%v is called %q, which is %v", want, name, NamedClass(name))
		}
	}
	if ClassName(errors.New("else")) != "" || NamedClass("else") != nil {
		t.Error("what has no class has a name")
	}
}

func TestFromStatus(t *testing.T) {
	tests := []struct {
		status int
		body   string
		class  error
		want   string
	}{
		{401, `{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}`, ErrAuth,
			"not authorized (401 invalid_api_key): Incorrect API key"},
		{403, ``, ErrAuth, "not authorized (403)"},
		{429, `{"error":{"message":"Slow down","type":"requests","code":"rate_limit_exceeded"}}`, ErrQuota,
			"quota exceeded (429 rate_limit_exceeded): Slow down"},
		{429, `{"error":{"message":"Pay","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, ErrQuota,
			"quota exceeded (429 insufficient_quota): Pay"},
		{402, `{"error":"pay"}`, ErrQuota, "quota exceeded (402): pay"},
		{400, `{"object":"error","message":"no chat template","type":"BadRequestError","param":null,"code":400}`, ErrBadRequest,
			"request refused (400 400 BadRequestError): no chat template"},
		{400, `{"error":{"code":400,"message":"exceeds the context","type":"exceed_context_size_error"}}`, ErrBadRequest,
			"request refused (400 400 exceed_context_size_error): exceeds the context"},
		{400, `{"type":"error","code":"ThrottlingException","message":"Rate exceeded"}`, ErrQuota,
			"quota exceeded (400 ThrottlingException): Rate exceeded"},
		{404, `{"detail":"Not Found"}`, ErrBadRequest, "request refused (404): Not Found"},
		{422, `{"detail":[{"msg":"field required"}]}`, ErrBadRequest, `request refused (422): [{"msg":"field required"}]`},
		{307, ``, ErrBadRequest, "request refused (307)"},
		{408, ``, ErrUnavailable, "unavailable (408)"},
		{409, ``, ErrUnavailable, "unavailable (409)"},
		{500, `<html><head><TITLE>502 Bad
			Gateway</TITLE></head>`, ErrUnavailable, "unavailable (500): a web page: 502 Bad Gateway"},
		{502, `<h1>x`, ErrUnavailable, "unavailable (502): a web page"},
		{503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, ErrUnavailable,
			"unavailable (503 503 unavailable_error): Loading model"},
		{529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, ErrUnavailable,
			"unavailable (529 overloaded_error): Overloaded"},
		{503, "no healthy\x00upstream\n", ErrUnavailable, "unavailable (503): no healthy upstream"},
		{500, `{"error":null}`, ErrUnavailable, `unavailable (500): {"error":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			e := FromStatus(tt.status, http.Header{}, []byte(tt.body))
			if e.Error() != tt.want || !errors.Is(e, tt.class) {
				t.Errorf("got %q, class %v; want %q, class %v", e, e.Class, tt.want, tt.class)
			}
		})
	}
}

func TestFromJSON(t *testing.T) {
	tests := []struct {
		in    string
		class error // nil: no error object
	}{
		{`{"choices":[]}`, nil},
		{`{"error":null}`, nil},
		{`{"error":""}`, nil},
		{`{"error":{"message":5}}`, ErrUnavailable},
		{`{"error":[1]}`, ErrUnavailable},
		{`{"error":{"type":"authentication_error"}}`, ErrAuth},
		{`{"error":{"type":"rate_limit_error"}}`, ErrQuota},
		{`{"error":{"code":400}}`, ErrBadRequest},
		{`{"error":"out of memory"}`, ErrUnavailable},
		{`[]`, nil},
		{`x`, nil},
	}
	for _, tt := range tests {
		e, ok := FromJSON([]byte(tt.in))
		if ok != (tt.class != nil) || ok && e.Class != tt.class {
			t.Errorf("%s: got %+v, %v", tt.in, e, ok)
		}
	}
}

func TestLongText(t *testing.T) {
	e := FromStatus(500, http.Header{}, []byte(strings.Repeat("日本語", 1000)))
	if len(e.Text) > maxText+4 || !utf8.ValidString(e.Text) || !strings.HasSuffix(e.Text, "…") {
		t.Errorf("%d bytes: %q", len(e.Text), e.Text)
	}
}

func TestRetryAfter(t *testing.T) {
	soon := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	tests := []struct {
		name     string
		h        map[string]string
		min, max time.Duration
	}{
		{"seconds", map[string]string{"Retry-After": "20"}, 20 * time.Second, 20 * time.Second},
		{"fraction", map[string]string{"Retry-After": "0.5"}, 500 * time.Millisecond, 500 * time.Millisecond},
		{"milliseconds win", map[string]string{"Retry-After": "1", "Retry-After-Ms": "1200"}, 1200 * time.Millisecond, 1200 * time.Millisecond},
		{"date", map[string]string{"Retry-After": soon}, 80 * time.Second, 90 * time.Second},
		{"date against the answer's date", map[string]string{"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30 * time.Second, 30 * time.Second},
		{"past", map[string]string{"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0, 0},
		{"negative", map[string]string{"Retry-After": "-3"}, 0, 0},
		{"not a number", map[string]string{"Retry-After": "NaN"}, 0, 0},
		{"for ever", map[string]string{"Retry-After": "1e300"}, maxWait, maxWait},
		{"nonsense", map[string]string{"Retry-After": "soon"}, 0, 0},
		{"none", nil, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range tt.h {
				h.Set(k, v)
			}
			if d := FromStatus(429, h, nil).RetryAfter; d < tt.min || d > tt.max {
				t.Errorf("got %v, want %v to %v", d, tt.min, tt.max)
			}
		})
	}
}

func FuzzError(f *testing.F) {
	f.Add(429, "20", `{"error":{"message":"a","type":"b","code":"c"}}`)
	f.Add(500, "Wed, 21 Oct 2015 07:28:30 GMT", "<title>x</title>")
	f.Add(400, "x", `{"error":"\xff"}`)
	f.Fuzz(func(t *testing.T, status int, after, body string) {
		e := FromStatus(status, http.Header{"Retry-After": {after}}, []byte(body))
		if e.Class == nil || e.RetryAfter < 0 || e.RetryAfter > maxWait || !utf8.ValidString(e.Error()) || len(e.Error()) > 1000 {
			t.Errorf("got %+v", e)
		}
		if e, ok := FromJSON([]byte(body)); ok && (e.Class == nil || !utf8.ValidString(e.Error())) {
			t.Errorf("got %+v", e)
		}
	})
}
