// Package serve is the verb "serve": it opens the engines that its flags name, answers callers and holds
// a conversation with each.
//
// # The record
//
// With --record every conversation is kept: packets of both directions, events, scores, what the engines were asked and what
// they answered. The caller and the operator may each have that paused; it goes on when neither wants a pause any more. What
// was said in a pause is nowhere in the record, and must not get there later either: in the turn that was under way when the
// record went on, in a result that the recognizer gives late, in what the model is told of the conversation so far. So
//
//   - in the pause nothing is kept;
//   - from the moment it goes on packets are kept, but no events, scores and engines' answers, until an answer has ended of
//     which something was heard, to a turn that was committed after that moment, and no pressed key waits for its turn any
//     more: what was said before stands in no turn from then on;
//   - a result of the recognizer that begins before that moment has all of that wait once more;
//   - what belongs to answers, turns and calls to engines that began before that is not kept at all. What a recognizer
//     gives is, result by result;
//   - from the first pause on it is not kept what the model was told, only how many messages that were.
//
// What the agent says after the pause is kept, as sound at once. It may repeat what it was told in the pause: the record has
// that as it was said.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/turn"
	"parley/web"
)

// Cmd is the verb.
type Cmd struct {
	Network `embed:"" group:"Network:"`
	Limits  `embed:"" group:"Limits:"`
	Engines `embed:"" group:"Engines:"`
	Persona `embed:"" group:"Agent:"`
	Timing  `embed:"" group:"Turn-taking:"`
	Floor   `embed:"" group:"Turn-taking:"`
	Manners `embed:"" group:"Turn-taking:"`
	Records `embed:"" group:"Recording:"`

	LogLevel slog.Level `group:"Log:" default:"info" help:"debug, info, warn or error. What is said is logged at debug only."`
	LogJSON  bool       `group:"Log:" help:"Log as JSON, an object a line."`
}

// Network is where callers are answered.
type Network struct {
	Listen      string       `default:"127.0.0.1:8321" help:"Serve the page and the signaling here."`
	Media       string       `default:"auto" help:"The one UDP port for everybody's audio. auto: the host of --listen and port 7882, or any free one if that is taken."`
	PublicIP    []netip.Addr `name:"public-ip" placeholder:"IP" help:"Tell callers to send audio to this address instead of the machine's own: for a machine behind a 1:1 NAT."`
	TLS         string       `name:"tls" placeholder:"self|CERT,KEY" help:"Serve HTTPS: with a certificate made now (self), or with these two PEM files. Browsers give a page its microphone only over HTTPS or from this computer."`
	TCP         bool         `name:"tcp" help:"Take audio over TCP too, on the same port number, from callers whose network lets no UDP through."`
	TURN        string       `name:"turn" placeholder:"HOST:PORT" help:"Run a TURN server here, over UDP and TCP, for callers behind strict networks. It relays to this server's audio only. auto: the host of --listen and port 3478."`
	TURNServers []string     `name:"turn-servers" placeholder:"URL" help:"TURN servers of yours to tell callers, as turn:host:3478?transport=udp. Their shared secret (use-auth-secret) is read from PARLEY_TURN_SECRET."`
	TURNSecret  string       `name:"turn-secret" hidden:"" env:"PARLEY_TURN_SECRET"`
	MaxSessions int          `default:"0" help:"How many callers at once; the next is told to come again. 0: what this machine can carry with these engines."`
	Origins     []string     `placeholder:"ORIGIN" help:"Pages of these origins may call too, as https://example.org; * for all."`
	Listeners   bool         `help:"Let people on this computer listen to calls under way, at /listen.html."`
}

// Limits are when a call is given up.
type Limits struct {
	Connect     time.Duration `default:"15s" help:"How long a caller may take to connect."`
	Vanish      time.Duration `default:"15s" help:"How long a caller may be out of reach before the call is ended. One whose page still reaches this server may take up to a minute to find another way."`
	NoMedia     time.Duration `default:"30s" help:"How long a caller may send no audio at all."`
	NotReceived time.Duration `default:"15s" help:"How long a caller may fail to report that our audio arrives."`
	MaxCost     float64       `default:"0" placeholder:"USD" help:"What the engines of one call may cost, by --prices: then the agent ends its answer and says goodbye. 0: anything."`
}

// Engines are the parts of a conversation that can be swapped.
type Engines struct {
	STT    []string      `name:"stt" default:"local" sep:"none" help:"Speech to text: ${stt}."`
	LLM    []string      `name:"llm" default:"local" sep:"none" help:"Language model: ${llm}."`
	TTS    []string      `name:"tts" default:"local" sep:"none" help:"Text to speech: ${tts}. Options are key=value pairs, separated by commas; a comma in a value is written \\,. --stt, --llm and --tts may be repeated: the next one stands in when one fails, stalls or is out of quota."`
	VAD    string        `name:"vad" default:"neural" help:"Voice activity: ${vad}."`
	Hedge  time.Duration `default:"0s" help:"Start the next language model or voice as well, or the same again, when one has given nothing in this time, as 400ms; the first to answer is heard. 0: never."`
	Prices string        `type:"path" placeholder:"FILE" help:"What engines cost, as a JSON table. Default: a table of list prices in this program; see docs/engines.md."`
	Models string        `placeholder:"DIR" type:"path" env:"PARLEY_MODELS" help:"Where the models of the local engines are kept. Default: parley/models in the user's cache folder."`
	Fetch  bool          `default:"true" negatable:"" help:"Fetch models that are missing before serving."`
}

// Persona is who the agent is.
type Persona struct {
	Prompt    string `placeholder:"TEXT" help:"The language model's instructions. Default: a friendly assistant."`
	Greeting  string `placeholder:"TEXT" help:"What is said first; - for nothing. Default: a short hello."`
	MaxTokens int    `default:"160" help:"The longest answer, in tokens."`
}

// Timing is when a caller is taken to speak, and to have finished: turn.Voice and turn.End.
type Timing struct {
	VoiceStart float32       `default:"0.5" help:"Probability of speech, by the voice detector, at which a voice begins."`
	VoiceStop  float32       `default:"0.35" help:"Probability of speech under which a voice ends."`
	Onset      time.Duration `default:"64ms" help:"Voice of this length is a caller who speaks: the agent pauses."`
	Ahead      time.Duration `default:"100ms" help:"Silence after which an answer is prepared, not yet spoken."`
	Short      time.Duration `default:"340ms" help:"Silence that ends a turn that seems finished, by its words and its sound."`
	Middle     time.Duration `default:"850ms" help:"Silence that ends a turn that may be finished."`
	Long       time.Duration `default:"2.1s" help:"Silence that ends a turn that does not seem finished."`
	Dangling   time.Duration `default:"2.5s" help:"Silence that ends a turn whose words are not finished, as: I would like to."`
	Spelled    time.Duration `default:"2.1s" help:"Silence that ends a turn of letters or figures that are dictated."`
	TextWait   time.Duration `default:"2s" help:"The longest wait for the recognizer's text after a caller has spoken."`
	KeysWait   time.Duration `default:"2s" help:"Pressed keys are answered so long after the last one; # ends them at once."`
	SoundsDone float32       `default:"0.9" help:"Probability, by words and sound, from which a turn is finished."`
	SoundsOpen float32       `default:"0.04" help:"Probability under which it is not."`
	PaceLeast  float64       `default:"0.8" help:"How far these silences shrink for a caller who never goes on, a factor; 1: not at all."`
	PaceMost   float64       `default:"2" help:"How far they grow for a caller who pauses long, a factor; 1: not at all."`
}

// Floor is who speaks when both would, or nobody does: turn.BargeIn and turn.Quiet.
type Floor struct {
	InterruptAsk   time.Duration `default:"400ms" help:"A voice of this length, while the agent has the floor, is asked for its words before it ends."`
	InterruptWords int           `default:"1" help:"So many words interrupt the agent, unless they only show that the caller listens, as: mm-hm."`
	InterruptWait  time.Duration `default:"700ms" help:"The longest wait for these words; then the agent goes on."`
	Rewind         time.Duration `default:"300ms" help:"How much the agent repeats when it goes on after a pause."`
	CheckIn        time.Duration `default:"8s" help:"Ask whether the caller is still there after so long a silence; negative: never."`
	GiveUp         time.Duration `default:"30s" help:"Say goodbye after so long a silence; negative: never."`
	HoldOn         time.Duration `default:"60s" help:"Ask only after so long a silence when the caller has said: hold on; negative: never."`
	AnswerWait     time.Duration `default:"20s" help:"The longest wait for the first sound of an answer; then it is given up."`
}

// Manners are what concerns all of turn-taking.
type Manners struct {
	Patience float64 `default:"1" help:"A factor, 0.5 to 3, of the silences that end a turn: --short, --middle, --long, --dangling and --spelled."`
	OwnTurns bool    `default:"true" negatable:"" help:"A caller may choose turn-taking for the own call, as the page's setting Patience does."`
}

// Records is what is kept of conversations, and for how long.
type Records struct {
	Record       string         `type:"path" placeholder:"DIR" help:"Record every conversation into this folder; the page says so to the caller, who may pause it. See parley rec, and /console.html on this computer."`
	RecordSpeech bool           `default:"true" negatable:"" help:"Keep the voice's own sound beside what was sent, without loss: a replay then needs no voice."`
	Keep         archive.Period `placeholder:"PERIOD" help:"Delete recordings of conversations that ended longer ago, as 30d; units are m, h, d and w. Default: never."`
	KeepMax      archive.Size   `placeholder:"SIZE" help:"Delete the oldest recordings when all of them take more room, as 100GB. Default: never."`
}

// Help is what the verb says about itself below its first line.
func (*Cmd) Help() string {
	return `Without flags everything runs on this computer: nothing is sent anywhere and no key is needed.

Flags can be set by environment too (PARLEY_LISTEN for --listen) and in a YAML file (see --config).`
}

func (c *Cmd) profile(turns turn.Config) agent.Profile {
	return agent.Profile{Prompt: c.Prompt, Greeting: c.Greeting, MaxTokens: c.MaxTokens, Budget: c.MaxCost, Turn: turns}
}

// turns is how turns are taken unless a caller wishes otherwise.
func (c *Cmd) turns() turn.Config {
	return web.Patient(turn.Config{
		Voice: turn.Voice{Start: c.VoiceStart, Stop: c.VoiceStop, Onset: c.Onset},
		End: turn.End{Ahead: c.Ahead, Short: c.Short, Middle: c.Middle, Long: c.Long, Dangling: c.Dangling, Spelled: c.Spelled,
			Text: c.TextWait, Keys: c.KeysWait, Done: c.SoundsDone, Open: c.SoundsOpen},
		Pace:      turn.Pace{Least: c.PaceLeast, Most: c.PaceMost},
		Interrupt: turn.BargeIn{Ask: c.InterruptAsk, Words: c.InterruptWords, Text: c.InterruptWait, Rewind: c.Rewind},
		Silence:   turn.Quiet{CheckIn: c.CheckIn, GiveUp: c.GiveUp, Asked: c.HoldOn, Answer: c.AnswerWait},
	}, c.Patience)
}

// checkTurns says what is wrong with the flags of turn-taking. None may be zero: that would mean its default.
func (c *Cmd) checkTurns() error {
	for _, f := range []struct {
		flag string
		d    time.Duration
	}{
		{"onset", c.Onset}, {"ahead", c.Ahead}, {"spelled", c.Spelled}, {"text-wait", c.TextWait}, {"keys-wait", c.KeysWait}, {"interrupt-ask", c.InterruptAsk},
		{"interrupt-wait", c.InterruptWait}, {"rewind", c.Rewind}, {"answer-wait", c.AnswerWait},
	} {
		if f.d <= 0 {
			return fmt.Errorf("--%s is %v: it must be longer than nothing", f.flag, f.d)
		}
	}
	within := func(low, high float32) bool { return 0 < low && low <= high && high <= 1 } // not so for NaN
	switch {
	case c.Short > c.Middle || c.Middle > c.Long || c.Long > c.Dangling || c.Ahead > c.Short:
		return fmt.Errorf("the waits must grow: --ahead %v ≤ --short %v ≤ --middle %v ≤ --long %v ≤ --dangling %v", c.Ahead, c.Short, c.Middle, c.Long, c.Dangling)
	case !within(c.VoiceStop, c.VoiceStart):
		return fmt.Errorf("these must grow: 0 < --voice-stop %v ≤ --voice-start %v ≤ 1", c.VoiceStop, c.VoiceStart)
	case !within(c.SoundsOpen, c.SoundsDone):
		return fmt.Errorf("these must grow: 0 < --sounds-open %v ≤ --sounds-done %v ≤ 1", c.SoundsOpen, c.SoundsDone)
	case c.InterruptWords < 1:
		return fmt.Errorf("--interrupt-words is %d: it must be 1 or more", c.InterruptWords)
	case c.CheckIn == 0 || c.GiveUp == 0 || c.HoldOn == 0:
		return errors.New("--check-in, --give-up and --hold-on may not be 0: say a length, or -1s for never")
	}
	return c.checkFactors()
}

func (c *Cmd) checkFactors() error {
	least, most := web.LeastPatience, web.MostPatience
	switch { // written so that NaN is none
	case !(least <= c.Patience && c.Patience <= most):
		return fmt.Errorf("--patience is %v: it is a factor from %v to %v", c.Patience, least, most)
	case !(least <= c.PaceLeast && c.PaceLeast <= c.PaceMost && c.PaceMost <= most):
		return fmt.Errorf("these must grow: %v ≤ --pace-least %v ≤ --pace-most %v ≤ %v", least, c.PaceLeast, c.PaceMost, most)
	}
	return nil
}

// Run serves until ctx ends, then lets the calls that are under way end for at most 10 s.
func (c *Cmd) Run(ctx context.Context, out io.Writer) error {
	if err := c.checkTurns(); err != nil {
		return err
	}
	if c.Record == "" && (c.Keep > 0 || c.KeepMax > 0) {
		return errors.New("--keep and --keep-max say what is kept of recordings, but nothing is recorded: add --record DIR")
	}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})
	if c.LogJSON {
		handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel})
	}
	k := &kit{models: c.Models, fetch: c.Fetch, slots: c.MaxSessions, log: slog.New(handler), out: out}
	defer k.close()
	e, err := k.open(ctx, c.Engines)
	if err != nil {
		return err
	}
	k.remember(ctx, e, c.profile(turn.Config{}))
	return c.serve(ctx, e, k)
}
