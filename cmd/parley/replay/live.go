package replay

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/agent/replay"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/verdict"
	"parley/internal/caller"
	"parley/internal/netsim"
	"parley/media/record"
)

// LiveCmd has the recorded caller speak to a server. Tools will be answered from the recording unless --tools=server says
// otherwise; there is no such flag as long as agents have no tools.
type LiveCmd struct {
	Bundle   string        `arg:"" help:"The recording: its folder, or its id below --dir."`
	URL      string        `name:"url" required:"" env:"-" help:"The server, as http://host:port. It must take POST /offer; another path may be given."`
	Schedule string        `default:"reactive" enum:"reactive,absolute" env:"-" help:"reactive: the caller waits for the agent as it did. absolute: it does all at the recorded times, whatever the agent does."`
	Dir      string        `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	Out      string        `placeholder:"DIR" type:"path" default:"." env:"-" help:"The folder that the new recording is written into. Default: the working folder."`
	Trials   int           `default:"1" env:"-" help:"How many calls are made, one after the other. Each is recorded."`
	Patience time.Duration `default:"20s" env:"-" help:"How long the caller waits for an answer before it goes on without."`
	Net      string        `placeholder:"PROFILE" env:"-" help:"Make the calls through a bad network: clean, wifi, lte-edge, burst5 or blackout2s."`
	Seed     uint64        `default:"1" env:"-" help:"The seed of --net."`
	Insecure bool          `env:"-" help:"Do not check the certificate of an https server."`
	JSON     bool          `name:"json" env:"-" help:"Print a JSON object for each call."`
}

// Help is what the verb says about itself below its first line.
func (*LiveCmd) Help() string {
	return `The caller of a recorded conversation phones a running server and says again what it said, with its own voice:
to this build or another, with other engines or flags. What it typed, its keys and mutes are done again too.

A reactive caller is a model of a person. It begins each turn when the agent's answer has ended and the recorded gap
has passed; it interrupts, and says its "mhm", at the recorded place of an answer. It never minds what it is asked. If
no answer comes it goes on after --patience; if an answer is over before the place at which it was interrupted, it
speaks at once. Both are told and counted.

The call is recorded by the caller's side into a new recording, with what the server tells of the conversation in its
data channel. It has no log of decisions, so it can be compared and heard, but not be run exactly.

Exit code: 0 the conversation was held, 1 the server left something unanswered or undone, 2 it could not be held.`
}

// longest is the length of a conversation up to which a call is remembered.
const longest = 50 * time.Minute

// Run makes the calls and prints to out.
func (cmd *LiveCmd) Run(ctx context.Context, out io.Writer) error {
	l, err := cmd.open()
	if err != nil {
		return verdict.Unknown(err)
	}
	missed := 0
	for n := range cmd.Trials {
		r, err := cmd.call(ctx, l, n)
		switch {
		case ctx.Err() != nil:
			return verdict.Unknown(context.Cause(ctx))
		case err != nil:
			return verdict.Unknown(err)
		}
		if err := r.print(out, cmd.JSON); err != nil {
			return verdict.Unknown(err)
		}
		if r.missed() {
			missed++
		}
	}
	if missed > 0 {
		return verdict.Bad("in %d of %d calls the server left something unanswered or undone", missed, cmd.Trials)
	}
	return nil
}

// part is what the caller of a recording said and did, ready to be performed.
type part struct {
	*replay.Conversation
	path string
	cues []line
	then timeline
}

// open reads the recording.
func (cmd *LiveCmd) open() (*part, error) {
	if cmd.Trials < 1 || cmd.Patience <= 0 {
		return nil, errors.New("--trials and --patience must be more than nothing")
	}
	path, err := rec.Find(cmd.Dir, cmd.Bundle)
	if err != nil {
		return nil, err
	}
	b, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if d := b.Duration(); d > longest {
		return nil, fmt.Errorf("replay %s: it lasts %v; a call of more than %v cannot be held", b.ID, d.Round(time.Second), longest)
	}
	c, err := replay.Read(b)
	if c == nil {
		return nil, fmt.Errorf("replay %s: %w", b.ID, err)
	}
	cues := replay.Schedule(c, replay.Order(cmd.Schedule))
	if len(cues) == 0 {
		return nil, errors.Join(fmt.Errorf("replay %s: its log tells of nothing that the caller said or did", b.ID), err)
	}
	lines, err := learn(b, cues)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", b.ID, err)
	}
	then, err := levels(b)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", b.ID, err)
	}
	return &part{Conversation: c, path: path, cues: lines, then: then}, nil
}

// call holds the conversation once.
func (cmd *LiveCmd) call(ctx context.Context, l *part, trial int) (*account, error) {
	plain, err := withoutSecrets(cmd.URL)
	if err != nil {
		return nil, err
	}
	s := &scribe{dir: cmd.Out, manifest: record.Manifest{ID: newID(l.ID), Build: record.ThisBuild(), Clock: record.Clock{Source: "monotonic"}}}
	again := Replayed{Recording: l.ID, Start: l.Start, Schedule: cmd.Schedule, URL: plain, Trial: trial + 1, Net: cmd.Net, Seed: cmd.Seed}
	if s.manifest.Config, err = describe(l.Config, again); err != nil {
		return nil, err
	}
	o := caller.Options{Client: cmd.client(), Message: s.message, Seed: cmd.Seed}
	if cmd.Net != "" {
		p, err := netsim.Named(cmd.Net)
		if err != nil {
			return nil, fmt.Errorf("--net: %w", err)
		}
		o.Net = &p
	}
	r := &account{part: l, Replayed: again, New: s.manifest.ID, path: s.path()}
	err = caller.Run(ctx, cmd.URL, o, func(ctx context.Context, c *caller.Caller) error {
		return s.keep(ctx, c, func() error {
			p := &performer{Caller: c, scribe: s, patience: cmd.Patience}
			err := p.perform(ctx, l)
			r.measure(c, s, p, err)
			return err
		})
	})
	if r.begun && !errors.Is(err, errRecord) && !errors.Is(err, fs.ErrExist) {
		return r, nil // a call that broke off is part of the account
	}
	return nil, err
}

// Replayed is what a recording that was made by a replay says of that, in the field "replayed" of its configuration. The
// other fields are the recorded conversation's: what the server's were is not known.
type Replayed struct {
	Recording string    `json:"recording"` // the id of the one that was replayed
	Start     time.Time `json:"start"`     // and when that was
	Schedule  string    `json:"schedule"`
	URL       string    `json:"url"` // without credentials and query
	Trial     int       `json:"trial"`
	Net       string    `json:"net,omitempty"`
	Seed      uint64    `json:"seed,omitempty"` // of Net
}

// describe adds to a recorded configuration.
func describe(config json.RawMessage, r Replayed) (json.RawMessage, error) {
	if r.Net == "" {
		r.Seed = 0
	}
	all := map[string]json.RawMessage{}
	if len(config) > 0 && json.Unmarshal(config, &all) != nil {
		all = map[string]json.RawMessage{} // a configuration that is no object is not carried over
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	all["replayed"] = text
	return json.Marshal(all)
}

// withoutSecrets is a server's URL without what may be one.
func withoutSecrets(server string) (string, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", errors.New("--url: it is not like http://host:port")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), nil
}

// newID names the recording of a replay after that which is replayed.
func newID(old string) string {
	return fmt.Sprintf("%.24s-%s-%s", old, time.Now().UTC().Format("20060102T150405"), strings.ToLower(rand.Text()[:6]))
}

func (cmd *LiveCmd) client() *http.Client {
	t := &http.Transport{DisableKeepAlives: true}
	if cmd.Insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the flag says so
	}
	return &http.Client{Transport: t}
}
