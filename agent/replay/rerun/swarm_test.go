package rerun

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay/fault"
	"parley/internal/netsim"
	"parley/llm/script"
)

// More of them: go test ./agent/replay/rerun -run Swarm -swarm 10000
var (
	swarm = flag.Int("swarm", 200, "conversations of TestSwarm")
	first = flag.Int("swarm-first", 0, "seed of the first")
)

// odd is what a model should not write.
var odd = []string{
	"<think> The caller wants to know something. </think> It is **three**. <|im_end|> <|im_start|>user And now?", "<think> Hm. Let me see.",
	`{"name": "clock", "arguments": {"zone": "here"}}`, strings.Repeat("the ", 300), strings.Repeat("I can help you with that. ", 60), "… !!",
	strings.Repeat("a", 5000), strings.Repeat("今天天气很好", 500), "See [it](https://example.com/a?b=c): | a | b | 🎉 ```go x := 1 ``` <|eot_id|>", "", "One moment. <tool_call> {",
}

// drawn is a conversation that a seed makes up: who speaks when, what is typed, what fails, how bad the network is.
func drawn(t testing.TB, seed uint64) (s Stage, what string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var voice []span
	for x := 1.0; x < 28; {
		long := 0.05 + rng.Float64()*2.5
		voice = append(voice, span{at(x), at(x + long)})
		x += long + rng.Float64()*5
	}
	lines := []string{"Wait, what time is it?", "Mm-hm.", "And tomorrow?", "I would like to", "stop", "Okay.", "yes, and"}
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	s = Stage{ID: "drawn", Up: caller(t, "", at(30), voice...), Length: at(32), Engines: stubs(lines...)}
	inputs := []agent.Input{
		{Kind: agent.Typed, Text: "What is typed?"}, {Kind: agent.Typed, Text: "stop"}, {Kind: agent.Key, Text: "5"}, {Kind: agent.Key, Text: "#"},
		{Kind: agent.Mute, On: true}, {Kind: agent.Mute},
	}
	for range rng.IntN(6) {
		s.Inputs = append(s.Inputs, Timed{at(rng.Float64() * 30), inputs[rng.IntN(len(inputs))]})
	}
	answers := []string{strings.Repeat("This is a long answer. ", 6), "Yes.", "It is ten to three, I think."}
	if more := rand.New(rand.NewPCG(seed, 2)); more.IntN(3) == 0 {
		for i := range answers {
			answers[i] = odd[more.IntN(len(odd))]
		}
		what = "odd answers "
	}
	s.Engines.Model = script.New(script.Options{
		Answers: answers,
		First:   time.Duration(rng.IntN(3000)) * ms, Gap: time.Duration(rng.IntN(200)) * ms,
	})
	if names := fault.Names(); rng.IntN(2) == 0 {
		f, err := fault.Named(names[rng.IntN(len(names))])
		if err != nil {
			t.Fatal(err)
		}
		f.Seed, what = seed, what+f.Name
		e := &s.Engines
		e.Recognizer, e.Model, e.Voice = f.Recognizer(e.Recognizer), f.Model(e.Model), f.Voice(e.Voice)
	}
	if all := netsim.Profiles(); rng.IntN(2) == 0 {
		p := all[rng.IntN(len(all))]
		s.Network, what = &Network{Profile: p, Seed: seed}, what+" "+p.Name
	}
	return s, what
}

// Whatever is drawn, the invariants hold.
func TestSwarm(t *testing.T) {
	for seed := *first; seed < *first+*swarm; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, what := drawn(t, uint64(seed))
				r, err := s.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range Check(r) {
					t.Errorf("with %q: %v", what, v)
				}
			})
		})
	}
}
