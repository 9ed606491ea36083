package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// OfficialHost is OpenAI's own.
const OfficialHost = "api.openai.com"

// Address checks where a server is and the key for it: empty is OpenAI's own, whose key is $OPENAI_API_KEY.
func Address(base, key string) (string, string, error) {
	if base == "" {
		base = "https://" + OfficialHost + "/v1"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", "", fmt.Errorf("%w: base URL must be like http://host:port/v1, without credentials", ErrBadRequest)
	}
	if key == "" {
		key = os.Getenv("OPENAI_API_KEY")
	}
	if key = strings.TrimSpace(key); key == "" && u.Hostname() == OfficialHost {
		return "", "", fmt.Errorf("%w: OPENAI_API_KEY is not set", ErrAuth)
	}
	return base, key, nil
}

// Client makes connections that are used again. Redirects are not followed: they would carry what was sent
// elsewhere.
func Client(connect time.Duration) *http.Client {
	dial := &net.Dialer{Timeout: connect}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dial.DialContext,
			TLSHandshakeTimeout: connect,
			ForceAttemptHTTP2:   true,
			DisableCompression:  true, // a compressed stream comes late
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     90 * time.Second,
		},
	}
}

// Exchange is one request and its answer: the transport below a client library. An answer that is no success
// becomes a [*Error] with all that the library would lose. For one use, by one goroutine.
type Exchange struct {
	HTTP     *http.Client
	Amend    func(body []byte) ([]byte, error)               // of a request; nil: it is sent as the library made it
	Open     func(body io.ReadCloser) (io.ReadCloser, error) // of a success; nil: it is read as it is
	sent     bool                                            // the request was given to the network
	answered bool                                            // a success began to come back
}

// Answered is whether a success began to come back.
func (x *Exchange) Answered() bool { return x.answered }

// Do is what the library calls.
func (x *Exchange) Do(req *http.Request) (*http.Response, error) {
	if err := x.prepare(req); err != nil {
		return nil, err
	}
	x.sent = true
	resp, err := x.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxErrorBody)) // what came of it is good enough
		if key := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "); key != "" {
			body = bytes.ReplaceAll(body, []byte(key), []byte("[key]")) // before the text is shortened, maybe within it
		}
		return nil, FromStatus(resp.StatusCode, resp.Header, body)
	}
	x.answered = true
	if x.Open == nil {
		return resp, nil
	}
	body, err := x.Open(resp.Body)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = body
	return resp, nil
}

// prepare amends the body and makes the request one that net/http may send again, on a fresh connection, if
// the server has just closed this one: it is said to be idempotent by a header that is not sent.
func (x *Exchange) prepare(req *http.Request) error {
	req.Header["Idempotency-Key"] = []string{}
	if x.Amend == nil || req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		body, err = x.Amend(body)
	}
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, err = req.GetBody()
	return err
}

// Fail gives err its class and says what was tried. What ended the caller's ctx is returned as it is. The key
// is taken out of what the server says: some repeat it.
func (x *Exchange) Fail(ctx, own context.Context, what, key string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var late *Timeout
	var said *Error
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.As(context.Cause(own), &late):
		err = late
	case errors.As(err, &said):
		e := *said
		if key != "" {
			e.Code, e.Text = strings.ReplaceAll(e.Code, key, "[key]"), strings.ReplaceAll(e.Text, key, "[key]")
		}
		err = &e
	case !x.sent:
		err = fmt.Errorf("%w: %w", ErrBadRequest, err)
	case !x.answered:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.As(err, &syntax), errors.As(err, &typed):
		err = fmt.Errorf("%w: answer is not as agreed: %w", ErrUnavailable, err)
	default:
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
