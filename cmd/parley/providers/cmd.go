// Package providers is the verb "providers": it lists the engines that are compiled in and what this computer has of
// what each needs: models, programs, credentials. Of credentials it says where they are, and never what.
//
// To look it reads files and the environment, and uses no network: it asks no metadata service of a cloud whether this
// computer has a role there, and runs no program that would fetch credentials. With --check it sends each engine that
// has all it needs one tiny request: half a second of silence, "Hi.", one token. That may cost a fraction of a cent.
package providers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"parley/cmd/parley/serve"
	"parley/cmd/parley/verdict"
)

// Cmd is the verb. Its flags are those of serve; with any of them it looks at what they name alone.
type Cmd struct {
	STT    []string `name:"stt" env:"-" sep:"none" placeholder:"NAME:OPTIONS" help:"Look at this speech to text, with these options, and at nothing that no flag names: as --stt aws:region=eu-west-1. May be repeated."`
	LLM    []string `name:"llm" env:"-" sep:"none" placeholder:"NAME:OPTIONS" help:"Likewise a language model, as --llm openai:model=gpt-4o-mini."`
	TTS    []string `name:"tts" env:"-" sep:"none" placeholder:"NAME:OPTIONS" help:"Likewise text to speech."`
	VAD    []string `name:"vad" env:"-" sep:"none" placeholder:"NAME:OPTIONS" help:"Likewise voice activity."`
	Models string   `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models of the local engines are kept. Default: parley/models in the user's cache folder."`

	Check bool `env:"-" help:"Send a tiny request to each engine that has what it needs. It fails if one of them does."`
	JSON  bool `name:"json" env:"-" help:"Print one JSON object instead of lines."`
}

// Help is what the verb says about itself below its first line.
func (*Cmd) Help() string {
	return "Engines of vendors find their credentials where those vendors' own tools do. This verb says where that is, and never " +
		"prints one. Without --check it uses no network."
}

// entry is what is said of one engine.
type entry struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	About string `json:"about"`
	serve.Found
	Check *checked `json:"check,omitempty"`

	one  serve.One
	done chan struct{} // closed when Check will not change any more
}

// defaults are the options without which an engine cannot be asked for anything.
var defaults = map[string]string{"llm openai": "openai:model=gpt-4o-mini", "llm anthropic": "anthropic:model=claude-haiku-4-5"}

// Run prints what it finds. Its error is a verdict when an engine that has what it needs has failed its check.
func (c *Cmd) Run(ctx context.Context, out io.Writer) error {
	all, err := c.entries()
	if err != nil {
		return err
	}
	if c.Check {
		defer checkAll(ctx, all)()
	}
	if err := c.print(ctx, out, all); err != nil {
		return err
	}
	return judge(all)
}

// entries are the engines that flags name, or all without options.
func (c *Cmd) entries() (all []*entry, err error) {
	named := slices.Concat(ones("stt", c.STT), ones("llm", c.LLM), ones("tts", c.TTS), ones("vad", c.VAD))
	if len(named) == 0 {
		for _, a := range serve.Adapters() {
			value, ok := defaults[a.Kind+" "+a.Name]
			if !ok {
				value = a.Name
			}
			named = append(named, serve.One{Kind: a.Kind, Value: value})
		}
	}
	for _, one := range named {
		one.Models = c.Models
		e := &entry{Kind: one.Kind, one: one, done: make(chan struct{})}
		if e.Found, err = one.Found(); err != nil {
			return nil, err
		}
		e.Name, _, _ = strings.Cut(one.Value, ":")
		for _, a := range serve.Adapters() {
			if a.Kind == e.Kind && a.Name == e.Name {
				e.About = a.About
			}
		}
		all = append(all, e)
	}
	return all, nil
}

func ones(kind string, values []string) (all []serve.One) {
	for _, v := range values {
		all = append(all, serve.One{Kind: kind, Value: v})
	}
	return all
}

func (c *Cmd) print(ctx context.Context, out io.Writer, all []*entry) error {
	kind := ""
	for _, e := range all {
		if c.Check {
			select {
			case <-e.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if c.JSON {
			continue
		}
		if e.Kind != kind {
			kind = e.Kind
			fmt.Fprintln(out, titles[kind])
		}
		e.print(out)
	}
	if !c.JSON {
		return nil
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(struct {
		Providers []*entry `json:"providers"`
	}{all}); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

var titles = map[string]string{
	"stt": "--stt, speech to text", "llm": "--llm, language model", "tts": "--tts, text to speech", "vad": "--vad, voice activity",
}

func (e *entry) print(out io.Writer) {
	state := "none"
	if e.Ready {
		state = "ready"
	}
	fmt.Fprintf(out, "  %-5s  %-11s  %s\n", state, e.Name, e.About)
	for _, where := range e.Where {
		fmt.Fprintf(out, "%22s%s\n", "", where)
	}
	for _, mend := range e.Mend {
		fmt.Fprintf(out, "%22s→ %s\n", "", mend)
	}
	if e.Check != nil {
		e.Check.print(out)
	}
}

// judge is the verdict over the checks.
func judge(all []*entry) error {
	failed := slices.DeleteFunc(slices.Clone(all), func(e *entry) bool { return e.Check == nil || e.Check.OK })
	if len(failed) == 0 {
		return nil
	}
	var names []string
	for _, e := range failed {
		names = append(names, "--"+e.Kind+" "+e.Name)
	}
	return verdict.Bad("%s failed: see above", strings.Join(names, ", "))
}
