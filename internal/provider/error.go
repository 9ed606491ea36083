package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxErrorBody is how much of an error's body is worth reading, in bytes.
const MaxErrorBody = 64 << 10

const (
	maxText = 300            // of a provider's words, in bytes
	maxWait = 24 * time.Hour // that a provider may ask for
)

// Error is what a provider answered instead of what it was asked for.
type Error struct {
	Class      error         // one of the classes, never nil
	Status     int           // HTTP status; 0 if the answer had begun well
	Code       string        // the provider's own word, such as insufficient_quota; may be empty
	Text       string        // the provider's own sentence, shortened; may be empty
	RetryAfter time.Duration // 0: not told
}

// Error says all but RetryAfter.
func (e *Error) Error() string {
	s := e.Class.Error()
	switch {
	case e.Status != 0 && e.Code != "":
		s += fmt.Sprintf(" (%d %s)", e.Status, e.Code)
	case e.Status != 0:
		s += fmt.Sprintf(" (%d)", e.Status)
	case e.Code != "":
		s += fmt.Sprintf(" (%s)", e.Code)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Unwrap is the class.
func (e *Error) Unwrap() error { return e.Class }

// FromStatus is the Error of an HTTP answer whose status is not a success. It understands the usual JSON
// bodies, and takes the title of a page and the beginning of anything else. Only the first MaxErrorBody
// bytes of body are looked at.
func FromStatus(status int, h http.Header, body []byte) *Error {
	body = body[:min(len(body), MaxErrorBody)]
	e, ok := parse(body)
	if !ok {
		e = &Error{Text: plain(body)}
	}
	e.Class = classOfStatus(status, e.Code)
	e.Status = status
	e.RetryAfter = retryAfter(h)
	return e
}

// FromJSON is the Error that data holds, if it is one of the usual error objects: those of OpenAI, vLLM,
// Ollama and llama.cpp, and of web frameworks. It is for errors inside an answer that began well.
func FromJSON(data []byte) (*Error, bool) {
	e, ok := parse(data)
	if ok {
		e.Class = classOfWord(e.Code)
	}
	return e, ok
}

// object is an error object of any provider; the fields are of several types in the wild.
type object struct {
	Error   json.RawMessage `json:"error"`
	Object  json.RawMessage `json:"object"`
	Message json.RawMessage `json:"message"`
	Detail  json.RawMessage `json:"detail"`
	Type    json.RawMessage `json:"type"`
	Code    json.RawMessage `json:"code"`
}

func parse(data []byte) (*Error, bool) {
	var o object
	if json.Unmarshal(data, &o) != nil {
		return nil, false
	}
	inner := o
	switch {
	case len(o.Error) > 0 && o.Error[0] == '{':
		inner = object{}
		if json.Unmarshal(o.Error, &inner) != nil {
			return nil, false
		}
	case present(o.Error):
		inner.Message = o.Error // {"error":"text"}
	case word(o.Object) != "error" && word(o.Type) != "error" && !present(o.Detail):
		return nil, false
	}
	e := &Error{Code: word(inner.Code), Text: word(inner.Message)}
	if e.Text == "" {
		e.Text = word(inner.Detail)
	}
	if t := word(inner.Type); t != "" && t != "error" && (e.Code == "" || number(e.Code)) {
		e.Code = strings.TrimSpace(e.Code + " " + t)
	}
	e.Code, e.Text = short(e.Code), short(e.Text)
	return e, true
}

func present(raw json.RawMessage) bool {
	s := string(raw)
	return s != "" && s != "null" && s != `""` && s != "false"
}

// word is a JSON string's text, or any other value as it is written; empty for null.
func word(raw json.RawMessage) string {
	if !present(raw) {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func number(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// plain is what a body that is not JSON says.
func plain(body []byte) string {
	if m := title.FindSubmatch(body); m != nil {
		return short("a web page: " + html.UnescapeString(string(m[1])))
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return "a web page"
	}
	return short(string(body))
}

// short makes one printable line of at most maxText bytes.
func short(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), 4*maxText)], "")
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func classOfStatus(status int, code string) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return ErrAuth
	case status == http.StatusTooManyRequests, status == http.StatusPaymentRequired:
		return ErrQuota
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status >= 500:
		return ErrUnavailable
	case status == http.StatusBadRequest && classOfWord(code) == ErrQuota:
		return ErrQuota // AWS throttles so
	}
	return ErrBadRequest
}

// words are what error codes and types contain, the first match decides.
var words = []struct {
	part  string
	class error
}{
	{"auth", ErrAuth}, {"api_key", ErrAuth}, {"permission", ErrAuth}, {"401", ErrAuth}, {"403", ErrAuth},
	{"quota", ErrQuota}, {"rate_limit", ErrQuota}, {"throttl", ErrQuota}, {"billing", ErrQuota}, {"429", ErrQuota},
	{"unavailable", ErrUnavailable}, {"overload", ErrUnavailable}, {"timeout", ErrUnavailable},
	{"invalid", ErrBadRequest}, {"not_found", ErrBadRequest}, {"context", ErrBadRequest}, {"badrequest", ErrBadRequest},
	{"400", ErrBadRequest}, {"404", ErrBadRequest}, {"422", ErrBadRequest},
}

// classOfWord is the class of an error that is known by its code or type only: unavailable if in doubt.
func classOfWord(code string) error {
	code = strings.ToLower(code)
	for _, w := range words {
		if strings.Contains(code, w.part) {
			return w.class
		}
	}
	return ErrUnavailable
}

// retryAfter reads Retry-After-Ms and Retry-After, in seconds or as a date; the date is compared with the
// answer's own, so that a wrong clock here does no harm.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return clamp(ms * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return clamp(s * float64(time.Second))
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return clamp(float64(until.Sub(from)))
}

// clamp is d nanoseconds within what is plausible; NaN is 0.
func clamp(d float64) time.Duration {
	if !(d > 0) {
		return 0
	}
	return time.Duration(min(d, float64(maxWait)))
}
