package dialogs

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"parley/agent"
	"parley/agent/replay/rerun"
	"parley/agent/turn"
	"parley/internal/corpus"
	"parley/media"
	"parley/stt"
)

const frame = media.ListenRate / 50

// at is where sample n is.
func at(n int) time.Duration { return media.Samples(n, media.ListenRate) }

// sample is the one at t.
func sample(t time.Duration) int {
	return int((t*media.ListenRate + time.Second/2) / time.Second)
}

// composer makes a dialog of a play, line by line.
type composer struct {
	Dialog
	voices map[string]corpus.Utterance
	quiet  time.Duration // before the agent asks

	cursor time.Duration // the end of what was before
	due    time.Duration // when the agent's next line is expected
	agent  time.Duration // when its last began
	spoken time.Duration // and ends
	muted  time.Duration // since when; negative: it is not
	open   bool          // the last exchange waits for the agent's line
}

func compose(p play, voices map[string]corpus.Utterance) (Dialog, error) {
	c := composer{voices: voices, quiet: p.checkIn, due: begin, muted: -1}
	c.Name, c.About, c.Under = p.name, p.about, p.under
	c.Profile = agent.Profile{CheckIn: "Are you still there?", Goodbye: "Goodbye!"}
	c.Profile.Turn.Silence.CheckIn = p.checkIn
	c.Profile.Turn.End, c.Profile.Turn.Pace = placedBy, turn.Pace{Least: 1, Most: 1}
	for _, l := range p.lines {
		if err := c.line(l); err != nil {
			return c.Dialog, fmt.Errorf("line %d: %w", l.at, err)
		}
	}
	c.grow(max(c.cursor+p.end, shortest))
	if c.muted >= 0 {
		clear(c.PCM[sample(c.muted):])
	}
	if n := len(c.PCM) % frame; n > 0 {
		c.PCM = append(c.PCM, make([]int16, frame-n)...)
	}
	if !math.IsInf(p.under, -1) {
		h := fnv.New64a()
		h.Write([]byte(p.name))
		c.PCM = corpus.Mix(c.PCM, corpus.PinkNoise(c.Length(), p.under, h.Sum64()))
	}
	return c.Dialog, nil
}

func (c *composer) line(l line) error {
	switch l.verb {
	case "greeting":
		c.Profile.Greeting = l.text
		c.Want = append(c.Want, Exchange{})
		c.speaks(l.text, l.cut)
	case "answer":
		if !c.open {
			return fmt.Errorf("nobody asked for this answer")
		}
		c.speaks(l.text, l.cut)
	case "check-in":
		c.due = c.cursor + c.quiet
		c.Want = append(c.Want, Exchange{})
		c.speaks(c.Profile.CheckIn, l.cut)
	case "silent":
		c.open = false
	default:
		return c.caller(l, c.moment(l.when))
	}
	return nil
}

// speaks takes a line of the agent.
func (c *composer) speaks(text string, cut bool) {
	e := &c.Want[len(c.Want)-1]
	e.Agent, e.Cut = text, cut
	c.open = false
	c.agent = c.due
	c.spoken = c.agent + time.Duration(utf8.RuneCountInString(text))*Pace
	c.cursor = c.spoken
}

func (c *composer) moment(w when) time.Duration {
	switch w.from {
	case "in":
		return c.agent + w.long
	case "at":
		return w.long
	}
	return c.cursor + w.long
}

// caller takes a line of the caller, who does it at t.
func (c *composer) caller(l line, t time.Duration) error {
	if first := len(c.Heard); l.when.from == "in" {
		defer func() {
			if len(c.Heard) > first {
				c.Heard[first].Into = l.when.long
			}
		}()
	}
	switch l.verb {
	case "say":
		end, err := c.say(l, t, Speech)
		if c.muted < 0 {
			c.turn(l.text)
		}
		c.cursor, c.due = end, end+Reply
		return err
	case "backchannel":
		end, err := c.say(l, t, Backchannel)
		c.beside(t, end)
		return err
	case "mm-hm":
		u := corpus.MmHm()
		if c.open {
			c.turn(u.Text)
		}
		c.beside(t, c.put(Backchannel, u, l, t))
	case "cough":
		c.beside(t, c.put(Cough, corpus.Cough(), l, t))
	case "noise":
		h := fnv.New64a()
		fmt.Fprint(h, l.at)
		u := corpus.Utterance{Name: "pink noise", Speaker: "nobody", Rate: media.ListenRate, PCM: corpus.PinkNoise(l.long, l.gain, h.Sum64())}
		l.gain = 0
		c.beside(t, c.put(Noise, u, l, t))
	default:
		c.input(l, t)
	}
	return nil
}

// input takes what comes beside the audio.
func (c *composer) input(l line, t time.Duration) {
	in := agent.Input{Kind: agent.Mute}
	c.cursor = max(c.cursor, t)
	switch l.verb {
	case "mute":
		in.On, c.muted = true, t
	case "unmute":
		c.grow(t)
		clear(c.PCM[sample(c.muted):sample(t)])
		c.muted = -1
	case "type":
		in = agent.Input{Kind: agent.Typed, Text: l.text}
		c.turn(l.text)
		c.cursor, c.due = t, t+written
	case "key":
		in = agent.Input{Kind: agent.Key, Text: l.text}
		c.press(l.text)
		if c.cursor, c.due = t, t+written; l.text != "#" {
			c.due += dialing
		}
	}
	c.Inputs = append(c.Inputs, rerun.Timed{At: t + Lead, Input: in})
}

// turn adds to what the caller is expected to be heard to say.
func (c *composer) turn(text string) {
	if c.open {
		e := &c.Want[len(c.Want)-1]
		e.User += " " + text
		return
	}
	c.Want = append(c.Want, Exchange{User: text})
	c.open = true
}

func (c *composer) press(key string) {
	if c.open {
		c.turn(key)
		return
	}
	c.turn("Keys pressed: " + key)
}

// beside takes a sound that is no turn and lasts from t to end: the agent waits and goes on.
func (c *composer) beside(t, end time.Duration) {
	if t < c.spoken {
		c.spoken += end - t + resumed
	}
	c.cursor = max(end, c.spoken)
}

// say puts the recordings of a line on the track, from t on.
func (c *composer) say(l line, t time.Duration, k Kind) (end time.Duration, err error) {
	words := strings.Fields(l.text)
	for _, p := range l.parts {
		u := c.voices[p.name]
		n := min(len(strings.Fields(strings.ReplaceAll(u.Text, "...", " "))), len(words))
		said := strings.Join(words[:n], " ")
		if errs, _ := corpus.WER(u.Text, said); errs > 0 {
			return t, fmt.Errorf("%s says %q, not %q", p.name, u.Text, said)
		}
		words = words[n:]
		u.Text = said
		t = c.put(k, u, l, t+p.pause)
	}
	if len(words) > 0 {
		return t, fmt.Errorf("no recording says %q", strings.Join(words, " "))
	}
	return t, nil
}

// put mixes a recording into the track and returns its end.
func (c *composer) put(k Kind, u corpus.Utterance, l line, t time.Duration) (end time.Duration) {
	first := sample(t)
	c.grow(at(first + len(u.PCM)))
	pcm := c.PCM[first : first+len(u.PCM)]
	gain := math.Pow(10, l.gain/20)
	scaled := make([]int16, len(u.PCM))
	for i, v := range u.PCM {
		scaled[i] = int16(math.Round(float64(v) * gain))
	}
	copy(pcm, corpus.Mix(pcm, scaled))
	h := Utterance{Kind: k, Source: u.Name, Speaker: u.Speaker, Text: u.Text, Gain: l.gain,
		Start: at(first), End: at(first + len(u.PCM)), Muted: c.muted >= 0, Into: -1}
	h.Words = evenly(h.Text, h.Start, h.End)
	c.Heard = append(c.Heard, h)
	return h.End
}

func (c *composer) grow(to time.Duration) {
	if n := sample(to) - len(c.PCM); n > 0 {
		c.PCM = append(c.PCM, make([]int16, n)...)
	}
}

// evenly shares the time from start to end among the words of text by their letters.
func evenly(text string, start, end time.Duration) []stt.Word {
	var words []stt.Word
	all, n := utf8.RuneCountInString(strings.Join(strings.Fields(text), "")), 0
	place := func() time.Duration { return start + (end-start)*time.Duration(n)/time.Duration(all) }
	for w := range strings.FieldsSeq(text) {
		from := place()
		n += utf8.RuneCountInString(w)
		words = append(words, stt.Word{Text: w, Start: from, End: place()})
	}
	return words
}

// placedBy are the waits that the agent's lines are placed by.
var placedBy = turn.End{Short: 850 * time.Millisecond, Middle: 950 * time.Millisecond, Long: 1150 * time.Millisecond, Dangling: 1350 * time.Millisecond,
	Spelled: 1800 * time.Millisecond, Done: 0.6, Open: 0.1}
