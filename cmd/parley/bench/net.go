package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/corpus"
	"parley/internal/netsim"
	"parley/media"
	"parley/media/resample"
)

// NetCmd is the verb "bench net".
type NetCmd struct {
	Profiles   []string `default:"clean,wifi,lte-edge,burst5,blackout2s" env:"-" help:"Network profiles. The word errors of all are compared with those of the first."`
	Utterances int      `default:"0" env:"-" help:"How many things are said, the same on each network. 0: all there are, 11 minutes of speech."`
	Seed       uint64   `default:"1" env:"-" help:"Another seed loses other packets."`
	STT        string   `name:"stt" default:"local" env:"-" help:"Recognizer."`
	Models     string   `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where its models are."`
}

// Help is what the verb says about itself below its first line.
func (*NetCmd) Help() string {
	return `Human speech goes through an encoder as a browser sets it, through each network, and through the receiving half of a call: order, gaps, decoding. Time is computed, not waited for, so a run with one seed repeats exactly, but for the recognizer's text.

Added delay is a frame's time behind the sending of the last packet that it holds, less the least delay of the network. Concealed is sound that had to be made up or left silent.`
}

// ErrGoal says that a goal was missed.
var ErrGoal = errors.New("the audio path missed a goal")

// How long the utterances are, and the silence before each, in which a line may recover.
const (
	netShort = 2 * time.Second
	netLong  = 7 * time.Second
	netPause = time.Second
	netEdge  = 300 * time.Millisecond // of silence that the recognizer gets around each
)

// Run makes the bench and prints its table to out. It fails if a goal is missed.
func (cmd *NetCmd) Run(ctx context.Context, out io.Writer) error {
	profiles, err := cmd.profiles()
	if err != nil {
		return err
	}
	parts, done, err := serve.Engines{STT: []string{cmd.STT}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy", Models: cmd.Models}.Open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer done()
	all, err := speech(netShort, netLong)
	if err != nil {
		return err
	}
	talk := monolog(evenly(all, cmd.Utterances))
	fmt.Fprintf(out, "bench net: %d utterances, %.0f s with the pauses between them, seed %d, recognizer %s\ncommand: %s\nmachine: %s\n\n",
		len(talk.said), talk.duration().Seconds(), cmd.Seed, cmd.STT, quoted(append([]string{"parley"}, os.Args[1:]...)), machine())
	var rows []netRow
	for _, p := range profiles {
		row := netRow{profile: p}
		if row.line, err = carry(talk.pcm, p, cmd.Seed); err != nil {
			return fmt.Errorf("through %s: %w", p.Name, err)
		}
		if row.words, err = understand(ctx, parts.Recognizer, talk, row.line); err != nil {
			return fmt.Errorf("understand what came through %s: %w", p.Name, err)
		}
		rows = append(rows, row)
	}
	return printNet(out, rows)
}

func (cmd *NetCmd) profiles() (all []netsim.Profile, err error) {
	for _, name := range cmd.Profiles {
		p, err := netsim.Named(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("nothing to measure: give --profiles")
	}
	return all, nil
}

// evenly takes n of all at even distances, so that a short run has all speakers too; all for no number.
func evenly(all []corpus.Utterance, n int) (some []corpus.Utterance) {
	if n <= 0 || n > len(all) {
		n = len(all)
	}
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// talking is one side of a call: utterances with pauses between them, at [browserRate].
type talking struct {
	pcm  []int16
	said []place
}

// place is where an utterance lies, in frames.
type place struct {
	corpus.Utterance
	from, to int
}

func (t talking) duration() time.Duration { return media.Samples(len(t.pcm), browserRate) }

// monolog says everything, with a pause before and after each.
func monolog(said []corpus.Utterance) (t talking) {
	const frame, pause = browserRate / 50, browserRate * int(netPause/time.Millisecond) / 1000
	for _, u := range said {
		t.pcm = append(t.pcm, make([]int16, pause)...)
		from := len(t.pcm) / frame
		r := resample.New(u.Rate, browserRate)
		t.pcm = append(t.pcm, r.Flush(r.Process(u.PCM, nil))...)
		t.pcm = append(t.pcm, make([]int16, (frame-len(t.pcm)%frame)%frame)...)
		t.said = append(t.said, place{u, from, len(t.pcm) / frame})
	}
	t.pcm = append(t.pcm, make([]int16, pause)...)
	return t
}

// netRow is what one network did.
type netRow struct {
	profile netsim.Profile
	line    carried
	words   wordErrors
}

// goals are what is to be reached, and whether it was.
func goals(rows []netRow) (met, missed []string) {
	judge := func(ok bool, format string, args ...any) {
		if s := fmt.Sprintf(format, args...); ok {
			met = append(met, "pass: "+s)
		} else {
			missed = append(missed, "MISSED: "+s)
		}
	}
	first := rows[0].words.share()
	for _, r := range rows {
		switch r.profile.Name {
		case "clean":
			p99 := r.line.delays().at(99)
			judge(p99 <= media.FrameDuration, "clean adds %s (p99), at most %s", millis(p99), millis(media.FrameDuration))
		case "burst5":
			cost := 100 * (r.words.share() - first)
			judge(cost < 3, "burst5 costs %.1f points of word error more than %s, less than 3", cost, rows[0].profile.Name)
		}
		if r.profile.Outage.Long > 0 {
			late := slices.Max(append(r.line.settled(r.profile), 0))
			judge(late <= 2*time.Second, "after %s the delay is back at its floor after %s, at most 2 s", r.profile.Name, millis(late))
		}
	}
	return met, missed
}
