// Package doctor is the verb "doctor": it looks whether a conversation is possible on this computer with
// the engines and the addresses that serve would be started with, and says in words what is missing and
// how to mend it.
//
// First it looks: at files, programs, ports and memory. If nothing that is needed is missing it opens the
// engines and measures them for some seconds: the voice says a sentence, the recognizer hears it, the
// language model answers it. Nothing is fetched, changed or sent anywhere, except that an engine on another
// computer is asked whether it is there.
//
// With --url it looks at a running server from this computer instead. It asks for its health, makes an offer to see
// which addresses it answers with, and then a call by each way they allow, separately: audio over UDP, over TCP, and
// by each kind of TURN server. It says which way works and how long it took. Each call is hung up as soon as
// something was heard.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/provider"
)

// Cmd is the verb. Its flags are those of serve that bear on whether a conversation is possible.
type Cmd struct {
	serve.Network `embed:"" group:"Network:"`
	serve.Engines `embed:"" group:"Engines:"`

	Quick bool `env:"-" help:"Read no model whole, open no engine and measure nothing."`
	JSON  bool `name:"json" env:"-" help:"Print one JSON object instead of lines."`

	URL      string `name:"url" placeholder:"URL" env:"-" help:"Look at a running server instead, as http://host:port: which ways lead to it from this computer."`
	Insecure bool   `env:"-" help:"Do not check the certificate of an https server that --url names."`
}

// Help is what the verb says about itself below its first line.
func (*Cmd) Help() string {
	return "Give it the flags that you give serve. It fetches nothing and changes nothing; it fails when a conversation is impossible. " +
		"With --url it calls a running server from here and says which ways lead to it."
}

// ErrUnfit is returned when a check has failed: a conversation is not possible here.
var ErrUnfit = errors.New("a conversation is not possible here yet: mend what failed")

// limit bounds a check: reading two gigabytes from a slow disk is the longest of them.
const limit = 3 * time.Minute

// State says how a check ended.
type State string

// The states. Only Fail makes a conversation impossible.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is what one check found, and how to mend it if something is wrong.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Found string `json:"found"`
	Mend  string `json:"mend,omitempty"`
}

func fine(found string) Finding       { return Finding{State: OK, Found: found} }
func warn(found, mend string) Finding { return Finding{State: Warn, Found: found, Mend: mend} }
func fail(found, mend string) Finding { return Finding{State: Fail, Found: found, Mend: mend} }

// check is one thing to look at. It returns no state when it has nothing to do with these engines.
type check struct {
	name string
	look func(ctx context.Context, p *patient) Finding
}

// Run looks, and prints to out what it finds as it finds it. Its error is ErrUnfit when a conversation is
// impossible here, and ErrUnreachable when none is with the server of --url.
func (c *Cmd) Run(ctx context.Context, out io.Writer) error {
	if c.URL != "" {
		return c.visit(ctx, &report{out: out, json: c.JSON})
	}
	return examine(ctx, &patient{network: c.Network, engines: c.Engines, quick: c.Quick, world: here()}, &report{out: out, json: c.JSON})
}

func examine(ctx context.Context, p *patient, r *report) error {
	if err := r.all(ctx, p, checks); err != nil {
		return err
	}
	switch {
	case r.failed > 0:
		r.say("Nothing was measured: that comes when this is mended.")
	case p.quick:
		r.say("Nothing was measured: that was not wanted.")
	default:
		if err := r.trials(ctx, p); err != nil {
			return err
		}
	}
	return r.end("A conversation is possible here.", ErrUnfit)
}

// trials opens the engines and measures them.
func (r *report) trials(ctx context.Context, p *patient) error {
	own, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	parts, closeParts, err := p.open(own, p.engines, slog.New(slog.DiscardHandler))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		mend := "parley models verify reads every model; 'parley serve' with the same flags says more in its log"
		if errors.Is(err, provider.ErrAuth) {
			mend = "put the server's key into the environment as OPENAI_API_KEY"
		}
		r.add("start", fail(err.Error(), mend))
		return nil
	}
	defer closeParts()
	p.parts = parts
	r.add("start", fine(fmt.Sprintf("the engines are ready after %.1f s", time.Since(began).Seconds())))
	return r.all(ctx, p, measures)
}

// report prints findings, or keeps them for one JSON object.
type report struct {
	out      io.Writer
	json     bool
	failed   int
	findings []Finding
}

// all makes the checks. It is cut short by the end of ctx only.
func (r *report) all(ctx context.Context, p *patient, checks []check) error {
	for _, c := range checks {
		own, cancel := context.WithTimeout(ctx, limit)
		f := c.look(own, p)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.State != "" {
			r.add(c.name, f)
		}
	}
	return nil
}

func (r *report) add(name string, f Finding) {
	f.Check = name
	r.findings = append(r.findings, f)
	if f.State == Fail {
		r.failed++
	}
	if r.json {
		return
	}
	fmt.Fprintf(r.out, "%-4s  %-14s  %s\n", marks[f.State], name, f.Found)
	if f.Mend != "" {
		fmt.Fprintf(r.out, "%22s→ %s\n", "", f.Mend)
	}
}

var marks = map[State]string{OK: "ok", Warn: "warn", Fail: "FAIL"}

func (r *report) say(line string) {
	if !r.json {
		fmt.Fprintln(r.out, line)
	}
}

// end is the verdict: good, or the error.
func (r *report) end(good string, bad error) error {
	if r.json {
		e := json.NewEncoder(r.out)
		e.SetIndent("", "  ")
		err := e.Encode(struct {
			Possible bool      `json:"possible"`
			Findings []Finding `json:"findings"`
		}{r.failed == 0, r.findings})
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if r.failed > 0 {
		return bad
	}
	r.say(good)
	return nil
}
