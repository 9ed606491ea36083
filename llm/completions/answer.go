package completions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"parley/internal/provider"
)

// whole reads an answer that is one JSON object, and finds the error that it may be, even if nothing follows.
func whole(r io.Reader) ([]byte, error) {
	var seen bytes.Buffer
	var data json.RawMessage
	err := json.NewDecoder(io.TeeReader(io.LimitReader(r, provider.MaxEvent), &seen)).Decode(&data)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax): // a page, or plain text
		return nil, stray(io.MultiReader(&seen, r))
	case err != nil:
		return nil, err
	}
	if e, ok := provider.FromJSON(data); ok {
		return nil, e
	}
	if data[0] != '{' {
		return nil, stray(bytes.NewReader(data))
	}
	_, _ = io.CopyN(io.Discard, r, provider.MaxErrorBody) // only for the connection's sake
	return data, nil
}

// stray is the error of an answer that is no JSON object.
func stray(r io.Reader) error {
	all := io.LimitReader(r, provider.MaxErrorBody)
	if _, err := io.ReadAll(provider.Repair(io.NopCloser(all))); err != nil {
		return err
	}
	return &provider.Error{Class: provider.ErrUnavailable, Text: "answer is no JSON object"}
}

// events opens a stream of events, each an event of one line. From a server that does not stream, the whole
// answer is the one event.
func events(body io.ReadCloser) (io.ReadCloser, error) {
	r := bufio.NewReader(body)
	for {
		first, err := r.Peek(1)
		switch {
		case err != nil: // it is found again where the body is read
			return &lines{ReadCloser: provider.Repair(&rest{r, body})}, nil
		case bytes.ContainsAny(first, " \t\r\n"):
			_, _ = r.Discard(1)
			continue
		case first[0] != '{':
			return &lines{ReadCloser: provider.Repair(&rest{r, body})}, nil
		}
		data, err := whole(r)
		if err != nil {
			return nil, err
		}
		var line bytes.Buffer
		line.WriteString("data: ")
		_ = json.Compact(&line, data) // it is valid
		line.WriteString("\n\n")
		return &rest{&line, body}, nil
	}
}

// rest is what is still to be read of a body.
type rest struct {
	io.Reader
	io.Closer
}

// lines puts a blank line behind every line: the end of an event.
type lines struct {
	io.ReadCloser
	blank bool // it is due
}

func (l *lines) Read(p []byte) (int, error) {
	if l.blank && len(p) > 0 {
		l.blank = false
		p[0] = '\n'
		return 1, nil
	}
	n, err := l.ReadCloser.Read(p) // of one line at most
	l.blank = n > 0 && p[n-1] == '\n'
	return n, err
}
