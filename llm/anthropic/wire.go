package anthropic

import (
	"io"

	"parley/internal/provider"
)

// name stands before each event: the library passes over events without one, and looks at their data for what they are.
const name = "event: message\n"

// open makes of a body what the library reads well. An error in it, or that it is no stream, is an error of Read.
func open(body io.ReadCloser) (io.ReadCloser, error) {
	return &events{ReadCloser: provider.Repair(body), due: name}, nil
}

// events puts the name before every line of data, and a blank line behind it.
type events struct {
	io.ReadCloser
	due string // to be read before the next line
}

func (e *events) Read(p []byte) (int, error) {
	if e.due != "" {
		n := copy(p, e.due)
		e.due = e.due[n:]
		return n, nil
	}
	n, err := e.ReadCloser.Read(p) // of one line at most
	if n > 0 && p[n-1] == '\n' {
		e.due = "\n" + name
	}
	return n, err
}
