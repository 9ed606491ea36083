// Package call is the verb "call": a caller without a page, which phones a server, says WAV files at given times,
// writes down what it hears and prints how fast it was answered.
package call

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"parley/internal/caller"
	"parley/internal/wav"
)

// Cmd is the verb.
type Cmd struct {
	URL      string        `arg:"" help:"The server, as http://host:port. It must take POST /offer; another path may be given."`
	Say      []string      `sep:"none" placeholder:"FILE[@WHEN]" env:"-" help:"Speak this WAV file. WHEN is after (when the agent has finished; the default), +500ms (so long after the agent began to speak: this interrupts) or 1.5s (so long after the call was connected). May be repeated."`
	Type     []string      `sep:"none" placeholder:"TEXT" env:"-" help:"Type this text when all is said, after the agent has finished. May be repeated."`
	Listen   string        `placeholder:"FILE" type:"path" env:"-" help:"Write what is heard to this WAV file: as long as the call, each packet where its timestamp puts it, holes silent."`
	JSON     string        `name:"json" placeholder:"FILE" type:"path" env:"-" help:"Write the server's messages, the turns and a summary to this file, one JSON object a line."`
	Timeout  time.Duration `default:"30s" env:"-" help:"The longest wait for an answer to begin, and for the call to connect."`
	Greeting time.Duration `default:"1.5s" env:"-" help:"The longest wait for a greeting before the first words."`
	Insecure bool          `env:"-" help:"Do not check the certificate of an https server."`
}

// ErrNoAnswer says that the agent did not answer something in time.
var ErrNoAnswer = errors.New("the agent did not answer")

// longestFile bounds a file to say, longestAnswer an answer to wait out.
const (
	longestFile   = 10 * time.Minute
	longestAnswer = 5 * time.Minute
)

// Run makes the call and prints to out. It fails if a file cannot be said, if there is no call, or if the agent does
// not answer in time.
func (cmd *Cmd) Run(ctx context.Context, out io.Writer) (err error) {
	lines, err := cmd.lines()
	if err != nil {
		return err
	}
	r, err := newReport(out, cmd.JSON)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	o := caller.Options{Message: r.message, Connect: cmd.Timeout, Client: cmd.client()}
	ear, err := newEar(cmd.Listen)
	if err != nil {
		return err
	}
	if ear != nil {
		o.Hear = ear.hear
	}
	p := play{cmd: cmd, lines: lines, report: r}
	err = caller.Run(ctx, cmd.URL, o, func(ctx context.Context, c *caller.Caller) error {
		defer func() { p.length = c.Now() }()
		return p.run(ctx, c)
	})
	return errors.Join(err, ear.close(p.length))
}

func (cmd *Cmd) client() *http.Client {
	t := &http.Transport{DisableKeepAlives: true}
	if cmd.Insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the flag says so
	}
	return &http.Client{Transport: t}
}

// ear writes what is heard.
type ear struct {
	w   *wav.Writer
	err error // the first
}

// newEar is nil without a path: nothing is written.
func newEar(path string) (*ear, error) {
	if path == "" {
		return nil, nil
	}
	w, err := wav.Create(path, caller.Rate)
	if err != nil {
		return nil, err
	}
	return &ear{w: w}, nil
}

func (e *ear) hear(at int64, pcm []int16) {
	if e.err == nil {
		e.err = e.w.WriteAt(pcm, at)
	}
}

// close makes the file as long as the call.
func (e *ear) close(length time.Duration) error {
	if e == nil {
		return nil
	}
	if e.err == nil {
		e.err = e.w.Extend(int64(length) * caller.Rate / int64(time.Second))
	}
	if err := errors.Join(e.err, e.w.Close()); err != nil {
		return fmt.Errorf("write what was heard: %w", err)
	}
	return nil
}
