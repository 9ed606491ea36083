package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"parley/internal/provider"
)

// signedEvents is in place of the payload's hash.
const signedEvents = "STREAMING-AWS4-HMAC-SHA256-EVENTS"

// stream is one StartSpeechSynthesisStream. Its goroutine makes the request and reads the answer.
type stream struct {
	pipe    *io.PipeWriter // the request's body
	signer  *v4.StreamSigner
	encoder *eventstream.Encoder
	events  chan event
}

// event is news of the stream: audio, the service's goodbye, or the end.
type event struct {
	audio  []byte
	closed bool
	err    error
}

// open begins the stream.
func (d *dialog) open(ctx context.Context) error {
	creds, err := d.credentials(ctx)
	if err != nil {
		return err
	}
	body, pipe := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Voice.stream.String(), body)
	if err != nil {
		return fmt.Errorf("%w: make request: %w", provider.ErrBadRequest, err)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/vnd.amazon.eventstream", "X-Amz-Content-Sha256": signedEvents,
		"X-Amzn-Engine": d.o.Engine, "X-Amzn-Outputformat": "pcm", "X-Amzn-Samplerate": strconv.Itoa(d.o.Rate),
		"X-Amzn-Voiceid": d.o.Name, "X-Amzn-Languagecode": d.o.Language,
	} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, signedEvents, "polly", d.o.Region, time.Now()); err != nil {
		return fmt.Errorf("%w: sign the request: %w", provider.ErrBadRequest, err)
	}
	seed, err := v4.GetSignedRequestSignature(req)
	if err != nil {
		return fmt.Errorf("%w: sign the request: %w", provider.ErrBadRequest, err)
	}
	st := &stream{pipe: pipe, signer: v4.NewStreamSigner(creds, "polly", d.o.Region, seed), encoder: eventstream.NewEncoder(), events: make(chan event)}
	d.stream = st
	context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(context.Cause(ctx)) }) // net/http waits for the body, not for ctx
	d.group.Go(func() {
		err := st.run(d.Voice, req, func(e event) bool {
			select {
			case st.events <- e:
				return true
			case <-ctx.Done():
				return false
			}
		})
		_ = body.CloseWithError(io.ErrClosedPipe) // whoever writes is let go
		select {
		case st.events <- event{err: err}:
		case <-ctx.Done():
		}
	})
	return nil
}

// run makes the request and reads the answer to its end.
func (st *stream) run(v *Voice, req *http.Request, give func(event) bool) error {
	ctx := req.Context()
	resp, err := v.http.Do(req)
	if err != nil {
		return v.failure(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode != http.StatusOK:
		data, _ := io.ReadAll(io.LimitReader(resp.Body, provider.MaxErrorBody)) // what came of it is good enough
		code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-ErrorType"), ":")
		return v.refusal(ctx, resp.StatusCode, resp.Header, code, said(data))
	case resp.ProtoMajor < 2:
		return fmt.Errorf("%w: the endpoint does not speak HTTP/2, which a stream needs", provider.ErrBadRequest)
	}
	decoder := eventstream.NewDecoder()
	for {
		m, err := decoder.Decode(resp.Body, nil)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: %w", provider.ErrTruncated, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", provider.ErrTruncated, err)
		}
		e, err := v.event(ctx, m)
		if err != nil {
			return err
		}
		if !give(e) {
			return context.Cause(ctx)
		}
	}
}

// event reads a message of the service.
func (v *Voice) event(ctx context.Context, m eventstream.Message) (event, error) {
	switch kind := header(m, eventstreamapi.EventTypeHeader); header(m, eventstreamapi.MessageTypeHeader) {
	case eventstreamapi.EventMessageType:
		e := event{closed: kind == "StreamClosedEvent"}
		if kind == "AudioEvent" {
			e.audio = m.Payload
		}
		return e, nil
	case eventstreamapi.ErrorMessageType:
		return event{}, v.complaint(ctx, header(m, eventstreamapi.ErrorCodeHeader), header(m, eventstreamapi.ErrorMessageHeader))
	}
	return event{}, v.complaint(ctx, header(m, eventstreamapi.ExceptionTypeHeader), said(m.Payload))
}

func (v *Voice) complaint(ctx context.Context, code, text string) error {
	status, ok := statuses[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	e := v.refusal(ctx, status, nil, code, text)
	e.Status = 0 // there was none
	return e
}

func header(m eventstream.Message, name string) string {
	if v, ok := m.Headers.Get(name).(eventstream.StringValue); ok {
		return string(v)
	}
	return ""
}

// said is the message of a JSON body, or all of another.
func said(data []byte) string {
	var b struct{ Message string }
	if json.Unmarshal(data, &b) == nil && b.Message != "" {
		return b.Message
	}
	return string(data)
}

// request is an event for the service; without a kind it is the end.
type request struct {
	kind    string
	payload []byte
}

// textEvent is text that is to be spoken without waiting for more, or a space that keeps the stream open.
func textEvent(text string, ssml bool) request {
	t := map[string]any{"Text": text}
	if strings.TrimSpace(text) != "" {
		t["FlushStreamConfiguration"] = map[string]bool{"Force": true}
	}
	if ssml {
		t["TextType"] = "ssml"
	}
	payload, _ := json.Marshal(t) // strings can be marshaled
	return request{"TextEvent", payload}
}

// message is an event in a signed message.
func (st *stream) message(ctx context.Context, r request) ([]byte, error) {
	var inner, buf bytes.Buffer
	if r.kind != "" {
		m := eventstream.Message{Payload: r.payload, Headers: eventstream.Headers{
			{Name: eventstreamapi.EventTypeHeader, Value: eventstream.StringValue(r.kind)},
			{Name: eventstreamapi.MessageTypeHeader, Value: eventstream.StringValue(eventstreamapi.EventMessageType)},
			{Name: eventstreamapi.ContentTypeHeader, Value: eventstream.StringValue("application/json")},
		}}
		if err := st.encoder.Encode(&inner, m); err != nil {
			return nil, err
		}
	}
	now := time.Now().UTC()
	outer := eventstream.Message{Payload: inner.Bytes(), Headers: eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: eventstream.TimestampValue(now)}}}
	if err := eventstream.EncodeHeaders(&buf, outer.Headers); err != nil {
		return nil, err
	}
	signature, err := st.signer.GetSignature(ctx, buf.Bytes(), outer.Payload, now)
	if err != nil {
		return nil, err
	}
	outer.Headers = append(outer.Headers, eventstream.Header{Name: eventstreamapi.ChunkSignatureHeader, Value: eventstream.BytesValue(signature)})
	buf.Reset()
	err = st.encoder.Encode(&buf, outer)
	return buf.Bytes(), err
}
