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
	"parley/stt"
	"parley/stt/rotate"
)

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
func read(data []byte) (replies []rotate.Reply, err error) {
	decoder := eventstream.NewDecoder()
	for r := bytes.NewReader(data); r.Len() > 0; {
		m, err := decoder.Decode(r, nil)
		if err != nil {
			return replies, fmt.Errorf("%w: malformed event: %w", provider.ErrUnavailable, err)
		}
		if header(m, eventstreamapi.MessageTypeHeader) != eventstreamapi.EventMessageType {
			return replies, complaint(m)
		}
		if header(m, eventstreamapi.EventTypeHeader) != "TranscriptEvent" {
			continue // of a later version of the service
		}
		var b body
		if err := json.Unmarshal(m.Payload, &b); err != nil {
			return replies, fmt.Errorf("%w: malformed transcript: %w", provider.ErrUnavailable, err)
		}
		replies = append(replies, b.replies()...)
	}
	return replies, nil
}

func header(m eventstream.Message, name string) string {
	if v, ok := m.Headers.Get(name).(eventstream.StringValue); ok {
		return string(v)
	}
	return ""
}

// replies are the segments that a body tells of.
func (b body) replies() (out []rotate.Reply) {
	for _, r := range b.Transcript.Results {
		if len(r.Alternatives) == 0 {
			continue
		}
		best, stable := r.Alternatives[0], true
		p := rotate.Part{Text: strings.TrimSpace(strings.ToValidUTF8(best.Transcript, "")), Start: seconds(r.StartTime), End: seconds(r.EndTime)}
		for _, i := range best.Items {
			stable = stable && i.Stable
			if i.Type == "pronunciation" && strings.TrimSpace(i.Content) != "" {
				p.Words = append(p.Words, stt.Word{Text: strings.ToValidUTF8(i.Content, ""), Start: seconds(i.StartTime), End: seconds(i.EndTime)})
			}
		}
		if r.IsPartial {
			out = append(out, rotate.Reply{Open: p, Stable: stable && len(p.Words) > 0})
		} else {
			out = append(out, rotate.Reply{Settled: p})
		}
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
