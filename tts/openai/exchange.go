package openai

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

	"parley/internal/provider"
)

const officialHost = "api.openai.com"

// address checks where a server is and the key for it: empty is OpenAI's own, whose key is $OPENAI_API_KEY.
func address(base, key string) (string, string, error) {
	if base == "" {
		base = "https://" + officialHost + "/v1"
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", "", fmt.Errorf("%w: base URL must be like http://host:port/v1, without credentials", provider.ErrBadRequest)
	}
	if key == "" {
		key = os.Getenv("OPENAI_API_KEY")
	}
	if key = strings.TrimSpace(key); key == "" && u.Hostname() == officialHost {
		return "", "", fmt.Errorf("%w: OPENAI_API_KEY is not set", provider.ErrAuth)
	}
	return base, key, nil
}

// client makes connections that are used again. Redirects are not followed: they would carry what was sent
// elsewhere.
func client(connect time.Duration) *http.Client {
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

// exchange is one request and its answer: the transport below the client library. An answer that is no success
// becomes a [*provider.Error] with all that the library would lose.
type exchange struct {
	http     *http.Client
	amend    func(body []byte) ([]byte, error)               // of a request; nil: it is sent as the library made it
	open     func(body io.ReadCloser) (io.ReadCloser, error) // of a success; nil: it is read as it is
	sent     bool                                            // the request was given to the network
	answered bool                                            // a success began to come back
}

// Do is what the library calls.
func (x *exchange) Do(req *http.Request) (*http.Response, error) {
	if err := x.prepare(req); err != nil {
		return nil, err
	}
	x.sent = true
	resp, err := x.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, provider.MaxErrorBody)) // what came of it is good enough
		return nil, provider.FromStatus(resp.StatusCode, resp.Header, body)
	}
	x.answered = true
	if x.open == nil {
		return resp, nil
	}
	body, err := x.open(resp.Body)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = body
	return resp, nil
}

// prepare amends the body and makes the request one that net/http may send again, on a fresh connection, if
// the server has just closed this one: it is said to be idempotent by a header that is not sent.
func (x *exchange) prepare(req *http.Request) error {
	req.Header["Idempotency-Key"] = []string{}
	if x.amend == nil || req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		body, err = x.amend(body)
	}
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, err = req.GetBody()
	return err
}

// fail gives err its class and says what was tried. What ended the caller's ctx is returned as it is. The key
// is taken out of what the server says: some repeat it.
func (x *exchange) fail(ctx, own context.Context, what, key string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var late *provider.Timeout
	var said *provider.Error
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
		err = fmt.Errorf("%w: %w", provider.ErrBadRequest, err)
	case !x.answered:
		err = fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
	case errors.As(err, &syntax), errors.As(err, &typed):
		err = fmt.Errorf("%w: answer is not as agreed: %w", provider.ErrUnavailable, err)
	default:
		err = fmt.Errorf("%w: %w", provider.ErrTruncated, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
