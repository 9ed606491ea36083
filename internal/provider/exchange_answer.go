package provider

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// OpenObject opens an answer that is one JSON object.
func OpenObject(body io.ReadCloser) (io.ReadCloser, error) {
	data, err := whole(body)
	if err != nil {
		return nil, err
	}
	return &rest{Reader: bytes.NewReader(data), Closer: body}, nil
}

// whole reads an answer that is one JSON object, and finds the error that it may be, even if nothing follows.
func whole(r io.Reader) ([]byte, error) {
	var seen bytes.Buffer
	var data json.RawMessage
	err := json.NewDecoder(io.TeeReader(io.LimitReader(r, MaxEvent), &seen)).Decode(&data)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax): // a page, or plain text
		return nil, noObject(io.MultiReader(&seen, r))
	case err != nil:
		return nil, err
	}
	if e, ok := FromJSON(data); ok {
		return nil, e
	}
	if data[0] != '{' {
		return nil, noObject(bytes.NewReader(data))
	}
	_, _ = io.CopyN(io.Discard, r, MaxErrorBody) // only for the connection's sake
	return data, nil
}

// noObject is the error of an answer that is no JSON object.
func noObject(r io.Reader) error {
	all := io.LimitReader(r, MaxErrorBody)
	if _, err := io.ReadAll(Repair(io.NopCloser(all))); err != nil {
		return err
	}
	return &Error{Class: ErrUnavailable, Text: "answer is no JSON object"}
}

// OpenEvents opens a stream of events, each an event of one line. From a server that does not stream, the whole
// answer is the one event.
func OpenEvents(body io.ReadCloser) (io.ReadCloser, error) {
	r := bufio.NewReader(body)
	for {
		first, err := r.Peek(1)
		switch {
		case err != nil: // it is found again where the body is read
			return &lines{ReadCloser: Repair(&rest{r, body})}, nil
		case bytes.ContainsAny(first, " \t\r\n"):
			_, _ = r.Discard(1)
			continue
		case first[0] != '{':
			return &lines{ReadCloser: Repair(&rest{r, body})}, nil
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
