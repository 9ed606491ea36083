package aws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/coder/websocket"

	"parley/internal/provider"
	"parley/stt/rotate"
)

const (
	signingName = "transcribe"
	emptyHash   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	expires     = "300"                                                              // seconds for the upgrade
	longMessage = 1 << 20                                                            // of the service, in bytes
)

// stream is one connection to the service. One goroutine reads it, another writes.
type stream struct {
	conn   *websocket.Conn
	signer *v4.StreamSigner
	secret []string // what may not be in an error

	encoder    *eventstream.Encoder
	buf, inner bytes.Buffer
	replies    []rotate.Reply // that came in one message

	mu     sync.Mutex
	ending bool  // the end of the audio was sent
	broken error // of sending
}

// open begins a stream.
func (r *Recognizer) open(ctx context.Context, _ int) (rotate.Link, error) {
	s := &stream{}
	if err := s.open(ctx, r); err != nil {
		return rotate.Link{}, judged(err)
	}
	within := r.o.Limits.Connect
	return rotate.Link{
		Send:   func(pcm []byte) error { return s.send(ctx, pcm, within) },
		Finish: func() error { return s.send(ctx, nil, within) },
		Recv:   func() (rotate.Reply, error) { return s.recv(ctx) },
		Close:  func() { _ = s.conn.CloseNow() }, // it is over, whatever it says
	}, nil
}

// recv is the next that the service says; io.EOF when it has closed the stream in order.
func (s *stream) recv(ctx context.Context) (rotate.Reply, error) {
	if len(s.replies) == 0 {
		kind, data, err := s.conn.Read(ctx)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
			return rotate.Reply{}, s.closed()
		case err != nil:
			return rotate.Reply{}, s.lost(err)
		case kind != websocket.MessageBinary:
			return rotate.Reply{}, judged(fmt.Errorf("%w: malformed event: a text message", provider.ErrUnavailable))
		}
		if s.replies, err = read(data); err != nil {
			return rotate.Reply{}, judged(s.redacted(err))
		}
		if len(s.replies) == 0 {
			return rotate.Reply{}, nil // it is alive
		}
	}
	r := s.replies[0]
	s.replies = s.replies[1:]
	return r, nil
}

// closed is the end of a stream that the service has closed in order: io.EOF if it was asked to.
func (s *stream) closed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending:
		return io.EOF
	case s.broken != nil:
		return judged(s.broken)
	}
	return judged(fmt.Errorf("%w: closed by the service", provider.ErrTruncated))
}

// lost is the end of a connection that broke; why is what is known best.
func (s *stream) lost(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return judged(s.broken)
	}
	return judged(fmt.Errorf("%w: %v", provider.ErrTruncated, err)) // not as io.EOF, which would be an orderly end
}

// judged tells what err means for the call.
func judged(err error) error {
	f := &rotate.Failure{Err: err, Cut: rotate.Passing}
	var said *provider.Error
	switch {
	case errors.As(err, &said) && strings.HasPrefix(said.Text, "Your request timed out because no new audio"):
		f.Cut = rotate.Limit
	case errors.Is(err, provider.ErrAuth), errors.Is(err, provider.ErrBadRequest):
		f.Cut = rotate.Fatal
	case errors.Is(err, provider.ErrQuota):
		f.Cut = rotate.Busy
	}
	return f
}

// open makes the connection, within the limit.
func (s *stream) open(ctx context.Context, r *Recognizer) error {
	late := &provider.Timeout{What: "connection", After: r.o.Limits.Connect}
	ctx, cancel := context.WithTimeoutCause(ctx, late.After, late)
	defer cancel()
	signed, err := s.sign(ctx, r)
	if err != nil {
		return err
	}
	conn, resp, err := websocket.Dial(ctx, signed, &websocket.DialOptions{HTTPClient: r.http})
	switch {
	case context.Cause(ctx) == error(late):
		return late
	case err == nil:
		conn.SetReadLimit(longMessage)
		s.conn = conn
		return nil
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.Body != nil:
		body, _ := io.ReadAll(resp.Body) // what came of it is good enough
		code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-ErrorType"), ":")
		return s.redacted(refusal(resp.StatusCode, resp.Header, s.clean(code), s.clean(said(body))))
	}
	var in *url.Error // its text has the signed URL
	if errors.As(err, &in) {
		err = in.Err
	}
	return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
}

// sign returns the URL of a new connection, with all that the service has to know.
func (s *stream) sign(ctx context.Context, r *Recognizer) (string, error) {
	creds, err := r.credentials(ctx)
	if err != nil {
		return "", err
	}
	u := *r.url
	q := url.Values{
		"media-encoding": {"pcm"}, "sample-rate": {strconv.Itoa(r.o.Rate)}, "session-id": {uuid()},
		"X-Amz-Expires": {expires},
	}
	if several(r.o.Language) {
		q.Set("identify-language", "true")
		q.Set("language-options", r.o.Language)
	} else {
		q.Set("language-code", r.o.Language)
	}
	if r.o.Stability != "off" {
		q.Set("enable-partial-results-stabilization", "true")
		q.Set("partial-results-stability", r.o.Stability)
	}
	u.RawQuery = q.Encode()
	req := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: http.Header{}}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, emptyHash, signingName, r.o.Region, time.Now())
	if err != nil {
		return "", fmt.Errorf("%w: sign the URL: %w", provider.ErrBadRequest, err)
	}
	_, signature, _ := strings.Cut(signed, "X-Amz-Signature=")
	signature, _, _ = strings.Cut(signature, "&")
	s.secret = []string{creds.SecretAccessKey, creds.SessionToken, url.QueryEscape(creds.SessionToken), creds.AccessKeyID, signature}
	s.encoder = eventstream.NewEncoder()
	if r.o.Sign {
		seed, err := hex.DecodeString(signature)
		if err != nil {
			return "", fmt.Errorf("%w: sign the URL: %w", provider.ErrBadRequest, err)
		}
		s.signer = v4.NewStreamSigner(creds, signingName, r.o.Region, seed)
	}
	return signed, nil
}

// credentials are those of the environment; the chain keeps them until they end.
func (r *Recognizer) credentials(ctx context.Context) (aws.Credentials, error) {
	creds, err := r.creds.Retrieve(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return creds, cause
	}
	if err != nil {
		return creds, fmt.Errorf("%w: no AWS credentials: %w", provider.ErrAuth, err)
	}
	return creds, nil
}

// uuid is a session ID: two streams at once may not have the same.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// send sends audio; none ends it: the service then settles what it has heard, and closes.
func (s *stream) send(ctx context.Context, pcm []byte, within time.Duration) (err error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = err
		s.ending = s.ending || len(pcm) == 0 && err == nil
	}()
	m, err := s.message(ctx, pcm)
	if err != nil {
		_ = s.conn.CloseNow() // so that the reader ends, too
		return fmt.Errorf("%w: make audio event: %w", provider.ErrBadRequest, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, &provider.Timeout{What: "audio taken", After: within})
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageBinary, m); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("%w: send audio: %w", provider.ErrTruncated, err)
	}
	return nil
}

var audioEvent = eventstream.Headers{
	{Name: eventstreamapi.MessageTypeHeader, Value: eventstream.StringValue(eventstreamapi.EventMessageType)},
	{Name: eventstreamapi.EventTypeHeader, Value: eventstream.StringValue("AudioEvent")},
	{Name: eventstreamapi.ContentTypeHeader, Value: eventstream.StringValue("application/octet-stream")},
}

// message is an AudioEvent, in a signed message around it if that is wanted. It is valid until the next.
func (s *stream) message(ctx context.Context, audio []byte) ([]byte, error) {
	s.buf.Reset()
	if s.signer == nil {
		err := s.encoder.Encode(&s.buf, eventstream.Message{Headers: audioEvent, Payload: audio})
		return s.buf.Bytes(), err
	}
	s.inner.Reset()
	if err := s.encoder.Encode(&s.inner, eventstream.Message{Headers: audioEvent, Payload: audio}); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	outer := eventstream.Message{Headers: eventstream.Headers{{Name: eventstreamapi.DateHeader, Value: eventstream.TimestampValue(now)}}, Payload: s.inner.Bytes()}
	if err := eventstream.EncodeHeaders(&s.buf, outer.Headers); err != nil {
		return nil, err
	}
	signature, err := s.signer.GetSignature(ctx, s.buf.Bytes(), outer.Payload, now)
	if err != nil {
		return nil, err
	}
	outer.Headers = append(outer.Headers, eventstream.Header{Name: eventstreamapi.ChunkSignatureHeader, Value: eventstream.BytesValue(signature)})
	s.buf.Reset()
	err = s.encoder.Encode(&s.buf, outer)
	return s.buf.Bytes(), err
}

// redacted takes the secrets out of what the service says: it may repeat the request.
func (s *stream) redacted(err error) error {
	var said *provider.Error
	if !errors.As(err, &said) {
		return err
	}
	said.Code, said.Text = s.clean(said.Code), s.clean(said.Text)
	return said
}

func (s *stream) clean(text string) string {
	for _, secret := range s.secret {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	return text
}
