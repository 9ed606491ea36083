package aws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"

	"parley/internal/provider"
)

// segment is what the service says of one stretch of speech; times count from the stream's first sample.
type segment struct {
	text       string
	start, end time.Duration
	words      []spoken
	partial    bool
	stable     bool // no word of it will change
}

// spoken is a word and its times.
type spoken struct {
	text       string
	start, end time.Duration
}

// body is the JSON of a TranscriptEvent, as far as it is used.
type body struct {
	Transcript struct {
		Results []struct {
			StartTime, EndTime float64 // seconds
			IsPartial          bool
			Alternatives       []struct {
				Transcript string
				Items      []item
			}
		}
	}
}

type item struct {
	Content, Type      string
	StartTime, EndTime float64
	Stable             bool
}

// read takes apart a message of the socket: event-stream messages, one after the other. What the service
// complains of is a [*provider.Error].
func read(data []byte) (segments []segment, err error) {
	decoder := eventstream.NewDecoder()
	for r := bytes.NewReader(data); r.Len() > 0; {
		m, err := decoder.Decode(r, nil)
		if err != nil {
			return segments, fmt.Errorf("%w: malformed event: %w", provider.ErrUnavailable, err)
		}
		if header(m, eventstreamapi.MessageTypeHeader) != eventstreamapi.EventMessageType {
			return segments, complaint(m)
		}
		if header(m, eventstreamapi.EventTypeHeader) != "TranscriptEvent" {
			continue // of a later version of the service
		}
		var b body
		if err := json.Unmarshal(m.Payload, &b); err != nil {
			return segments, fmt.Errorf("%w: malformed transcript: %w", provider.ErrUnavailable, err)
		}
		segments = append(segments, b.segments()...)
	}
	return segments, nil
}

func header(m eventstream.Message, name string) string {
	if v, ok := m.Headers.Get(name).(eventstream.StringValue); ok {
		return string(v)
	}
	return ""
}

func (b body) segments() (out []segment) {
	for _, r := range b.Transcript.Results {
		if len(r.Alternatives) == 0 {
			continue
		}
		s := segment{start: seconds(r.StartTime), end: seconds(r.EndTime), partial: r.IsPartial, stable: true}
		s.text = strings.TrimSpace(strings.ToValidUTF8(r.Alternatives[0].Transcript, ""))
		for _, i := range r.Alternatives[0].Items {
			s.stable = s.stable && i.Stable
			if i.Type == "pronunciation" && strings.TrimSpace(i.Content) != "" {
				s.words = append(s.words, spoken{strings.ToValidUTF8(i.Content, ""), seconds(i.StartTime), seconds(i.EndTime)})
			}
		}
		s.stable = s.stable && len(s.words) > 0
		out = append(out, s)
	}
	return out
}

// seconds is s as a duration within what a stream can last; NaN is 0.
func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(min(s, 24*3600) * float64(time.Second))
}

// statuses are what the service would answer by HTTP for its exceptions; others are 500.
var statuses = map[string]int{
	"BadRequestException": http.StatusBadRequest, "LimitExceededException": http.StatusTooManyRequests,
	"ConflictException": http.StatusConflict, "InternalFailureException": http.StatusInternalServerError,
	"ServiceUnavailableException": http.StatusServiceUnavailable, "ThrottlingException": http.StatusTooManyRequests,
	"UnrecognizedClientException": http.StatusForbidden, "AccessDeniedException": http.StatusForbidden,
	"InvalidSignatureException": http.StatusForbidden, "ExpiredTokenException": http.StatusForbidden,
}

// complaint is an exception or an error in place of an event.
func complaint(m eventstream.Message) error {
	code, text := header(m, eventstreamapi.ExceptionTypeHeader), said(m.Payload)
	if code == "" {
		code, text = header(m, eventstreamapi.ErrorCodeHeader), header(m, eventstreamapi.ErrorMessageHeader)
	}
	status, ok := statuses[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	e := refusal(status, nil, code, text)
	e.Status = 0 // there was none
	return e
}

// refusal is an Error with the words of the service.
func refusal(status int, h http.Header, code, text string) *provider.Error {
	data, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": text}}) // strings can be marshaled
	return provider.FromStatus(status, h, data)
}

// said is the Message of a JSON body, or all of another.
func said(data []byte) string {
	var b struct{ Message string }
	if json.Unmarshal(data, &b) == nil && b.Message != "" {
		return b.Message
	}
	return string(data)
}
