// Package call is the verb "call": a caller without a page, which phones a server, says WAV files at given times,
// writes down what it hears and prints how fast it was answered.
package call

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/caller"
	"parley/internal/netsim"
	"parley/internal/wav"
	"parley/media"
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
	Turn     string        `placeholder:"JSON" env:"-" help:"Ask the server for turn-taking of this call's own, as '{\"end\": {\"short\": \"400ms\"}}'. See docs/protocol.md."`
	Patience float64       `placeholder:"FACTOR" env:"-" help:"Ask the server for silences at the end of a turn that are so many times as long: 0.5 to 3."`
	Codec    []string      `placeholder:"NAME" env:"-" help:"Offer only this codec: opus, G722, PCMU or PCMA. Several, separated by commas, are offered in their order; the default is all."`
	Net      string        `placeholder:"PROFILE" env:"-" help:"Make the call through a bad network: clean, wifi, lte-edge, burst5 or blackout2s. One seed always loses the same packets."`
	Seed     uint64        `default:"1" env:"-" help:"The seed of --net."`
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
	to, err := cmd.wishing()
	if err != nil {
		return err
	}
	r, err := newReport(out, cmd.JSON)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	o := caller.Options{Message: r.message, Connect: cmd.Timeout, Client: cmd.client(), Seed: cmd.Seed}
	if err := cmd.choose(&o); err != nil {
		return err
	}
	ear, err := newEar(cmd.Listen)
	if err != nil {
		return err
	}
	if ear != nil {
		o.Hear = ear.hear
	}
	r.network, r.seed = cmd.Net, cmd.Seed
	p := play{cmd: cmd, lines: lines, report: r}
	err = caller.Run(ctx, to, o, func(ctx context.Context, c *caller.Caller) error {
		defer func() { p.length = c.Now() }()
		return p.run(ctx, c)
	})
	return errors.Join(err, ear.close(p.length))
}

// choose fills in the codecs and the network.
func (cmd *Cmd) choose(o *caller.Options) error {
	known := []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA}
	for _, name := range cmd.Codec {
		i := slices.IndexFunc(known, func(c media.Codec) bool { return strings.EqualFold(string(c), strings.TrimSpace(name)) })
		if i < 0 {
			return fmt.Errorf("--codec %s: known are %v", name, known)
		}
		o.Codecs = append(o.Codecs, known[i])
	}
	if cmd.Net == "" {
		return nil
	}
	p, err := netsim.Named(cmd.Net)
	if err != nil {
		return fmt.Errorf("--net: %w", err)
	}
	o.Net = &p
	return nil
}

// wishing is the server's URL with what the call wants of turn-taking. The server says whether that can be.
func (cmd *Cmd) wishing() (string, error) {
	if cmd.Turn == "" && cmd.Patience == 0 {
		return cmd.URL, nil
	}
	if cmd.Turn != "" && !json.Valid([]byte(cmd.Turn)) {
		return "", fmt.Errorf(`--turn %s: it is not JSON, as {"end": {"short": "400ms"}}`, cmd.Turn)
	}
	at, query, _ := strings.Cut(cmd.URL, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("read the server's URL: %w", err)
	}
	if cmd.Turn != "" {
		q.Set("turn", cmd.Turn)
	}
	if cmd.Patience != 0 {
		q.Set("patience", strconv.FormatFloat(cmd.Patience, 'g', -1, 64))
	}
	return at + "?" + q.Encode(), nil
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
