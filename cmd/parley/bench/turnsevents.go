package bench

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/corpus"
	"parley/media"
	"parley/stt"
)

// floorEvent is one thing that happens between a caller and the agent, and what a listener knows about it.
type floorEvent struct {
	row   string
	name  string
	pcm   []int16
	words []stt.Word
	begin time.Duration // of the caller's sound
	end   time.Duration
	inner [2]time.Duration // a silence within what is said; zero: none
	agent bool             // the agent speaks all the time
	loose bool             // the recognizer ends each text with a full stop
}

// Rows of events.
const (
	rowWhole     = "finished sentence"
	rowPause     = "pause inside a sentence"
	rowTwo       = "pause between two sentences"
	rowInterrupt = "interruption"
	rowHum       = "backchannel (synthesized)"
	rowCough     = "cough (synthesized)"
	rowNoise     = "noise (synthesized)"
)

// innerPauses are put into sentences, each as often.
var innerPauses = []time.Duration{300 * time.Millisecond, 500 * time.Millisecond, 800 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second}

// noises are how far noise lies under the speech, in dB; 0: there is none.
var noises = []float64{0, 15, 5}

const (
	speechLevel = -20.0 // dBFS, of package corpus
	lead        = 600 * time.Millisecond
	rest        = 3500 * time.Millisecond // after the last word
	agentLeads  = 8 * time.Second         // within which the agent is interrupted
)

// sentences are the recordings of one half that are whole sentences, with the marks that a recognizer would write. The halves share no
// sentence, and no speaker but the voice of the prompts, whose sentences are shared out by their words.
func sentences(half string) ([]corpus.Utterance, error) {
	all, err := speech(900*time.Millisecond, 7*time.Second)
	if err != nil {
		return nil, err
	}
	var some []corpus.Utterance
	for _, u := range all {
		text, ok := sentence(u.Text)
		if u.Text = text; ok && halfOf(u) == half {
			some = append(some, u)
		}
	}
	if len(some) < 10 {
		return nil, fmt.Errorf("the half %q of the corpus has %d sentences: too few", half, len(some))
	}
	return some, nil
}

// hangs are last words that make no sentence: of a prompt that a number follows, "Press 1 for".
var hangs = map[string]bool{"a": true, "an": true, "and": true, "for": true, "from": true, "in": true, "is": true, "of": true, "on": true, "or": true, "the": true, "to": true, "with": true}

// sentence is a transcript with its mark, if it is a whole sentence.
func sentence(text string) (string, bool) {
	text = strings.TrimSpace(text)
	words := strings.Fields(text)
	if len(words) < 3 || hangs[strings.ToLower(strings.TrimRight(words[len(words)-1], "."))] || strings.Contains(text, "...") || strings.HasSuffix(text, ",") || strings.HasSuffix(text, ":") {
		return text, false
	}
	if strings.ContainsAny(text[len(text)-1:], ".?!") {
		return text, true
	}
	return text + ".", true
}

// halfOf is "tune" or "score".
func halfOf(u corpus.Utterance) string {
	switch u.Speaker {
	case "LibriVox reader":
		return "score"
	case "card player", "robot driver":
		return "tune"
	}
	h := fnv.New32a()
	h.Write([]byte(strings.ToLower(strings.Trim(u.Text, " .?!"))))
	if h.Sum32()%2 == 0 {
		return "tune"
	}
	return "score"
}

// composer makes the events of a half.
type eventMaker struct {
	from  []corpus.Utterance
	pairs [][2]corpus.Utterance // from, cut at the quietest place
	dots  float64
	all   []floorEvent
}

// events are n a row, or rows of pauses and noise of n each.
func events(from []corpus.Utterance, n int, dots float64) []floorEvent {
	m := eventMaker{from: from, dots: dots}
	for _, u := range from {
		a, b := corpus.Split(u)
		words := strings.Fields(u.Text)
		k := int(math.Round(float64(len(words)) * float64(len(a.PCM)) / float64(len(a.PCM)+len(b.PCM))))
		if k = min(max(k, 1), len(words)-1); a.Duration() > 400*time.Millisecond && b.Duration() > 300*time.Millisecond {
			a.Text, b.Text = strings.Join(words[:k], " "), strings.Join(words[k:], " ")
			if !strings.ContainsAny(a.Text[len(a.Text)-1:], ".?!") { // else it is cut between two sentences
				m.pairs = append(m.pairs, [2]corpus.Utterance{a, b})
			}
		}
	}
	for _, under := range noises {
		for i := range n {
			m.whole(i, under)
		}
		each := n
		if under > 0 {
			each = (n + len(innerPauses) - 1) / len(innerPauses)
		}
		for _, p := range innerPauses {
			for i := range each {
				m.paused(i, p, under)
			}
		}
	}
	for i := range n {
		m.two(i, innerPauses[i%len(innerPauses)])
		m.interruption(i)
		m.sound(rowHum, i, corpus.MmHm())
		m.sound(rowCough, i, corpus.Cough())
		m.sound(rowNoise, i, corpus.Utterance{Name: "pink noise", Rate: media.ListenRate, PCM: corpus.PinkNoise(placed(i, 200*time.Millisecond, 1200*time.Millisecond), speechLevel-4, uint64(i+1))})
	}
	return m.all
}

// placed shares the range from least to most out evenly, the same for the same i (by the golden ratio).
func placed(i int, least, most time.Duration) time.Duration {
	_, f := math.Modf(float64(i) * 0.6180339887)
	return (least + time.Duration(f*float64(most-least))).Round(time.Millisecond)
}

// gain is what event i is softer by, in dB.
func gain(i, n int) float64 { return -6 * float64(i/max(n, 1)%3) }

func noisy(row string, under float64) string {
	if under == 0 {
		return row
	}
	return fmt.Sprintf("%s, noise at %.0f dB", row, under)
}

func (m *eventMaker) whole(i int, under float64) {
	u := m.from[i%len(m.from)]
	e := floorEvent{row: noisy(rowWhole, under), name: u.Name}
	e.put(lead+placed(i, 0, 32*time.Millisecond), gain(i, len(m.from)), u)
	m.add(e, under)
}

func (m *eventMaker) paused(i int, pause time.Duration, under float64) {
	p := m.pairs[i%len(m.pairs)]
	e := floorEvent{row: noisy(rowPause, under), name: p[0].Name + " " + pause.String()}
	g := gain(i, len(m.pairs))
	e.put(lead+placed(i, 0, 32*time.Millisecond), g, p[0])
	e.inner = [2]time.Duration{e.end, e.end + pause}
	e.put(e.end+pause, g, p[1])
	h := fnv.New32a()
	h.Write([]byte(e.name))
	e.loose = float64(h.Sum32()%1000) < 1000*m.dots
	m.add(e, under)
}

func (m *eventMaker) two(i int, pause time.Duration) {
	a, b := m.from[i%len(m.from)], m.from[(i*7+3)%len(m.from)]
	e := floorEvent{row: rowTwo, name: a.Name + "+" + b.Name}
	e.put(lead+placed(i, 0, 32*time.Millisecond), 0, a)
	e.inner = [2]time.Duration{e.end, e.end + pause}
	e.put(e.end+pause, 0, b)
	m.add(e, 0)
}

func (m *eventMaker) interruption(i int) {
	u := m.from[i%len(m.from)]
	e := floorEvent{row: rowInterrupt, name: u.Name, agent: true}
	e.put(placed(i, 100*time.Millisecond, agentLeads), gain(i, len(m.from)), u)
	m.add(e, 0)
}

// sound is something that should not stop the agent, each time at another pitch and level.
func (m *eventMaker) sound(row string, i int, u corpus.Utterance) {
	e := floorEvent{row: row, name: u.Name, agent: true}
	if row != rowNoise {
		_, f := math.Modf(float64(i) * 0.7548776662)
		u.PCM = pitched(u.PCM, 0.8+0.45*f)
	}
	e.put(placed(i, 100*time.Millisecond, agentLeads), -4*float64(i%4), u)
	m.add(e, 0)
}

// pitched is pcm faster by a factor, and so higher.
func pitched(pcm []int16, factor float64) []int16 {
	out := make([]int16, int(float64(len(pcm)-1)/factor))
	for i := range out {
		at, f := math.Modf(float64(i) * factor)
		a, b := float64(pcm[int(at)]), float64(pcm[int(at)+1])
		out[i] = int16(math.Round(a + f*(b-a)))
	}
	return out
}

func (m *eventMaker) add(e floorEvent, under float64) {
	n := samplesOf(e.end + rest)
	n += (media.ListenRate/50 - n%(media.ListenRate/50)) % (media.ListenRate / 50)
	e.pcm = append(e.pcm, make([]int16, n-len(e.pcm))...)
	floor := -70.0 // a room
	if under > 0 {
		floor = speechLevel - under
	}
	h := fnv.New64a()
	fmt.Fprint(h, e.row, e.name, e.begin)
	e.pcm = corpus.Mix(e.pcm, corpus.PinkNoise(e.length(), floor, h.Sum64()))
	m.all = append(m.all, e)
}

func (e *floorEvent) length() time.Duration { return media.Samples(len(e.pcm), media.ListenRate) }

func samplesOf(t time.Duration) int {
	return int((t*media.ListenRate + time.Second/2) / time.Second)
}

// put says u at a place behind what was said, with words that share its time by their letters.
func (e *floorEvent) put(at time.Duration, gain float64, u corpus.Utterance) {
	first := samplesOf(at)
	e.pcm = append(e.pcm, make([]int16, first-len(e.pcm))...)
	f := math.Pow(10, gain/20)
	for _, s := range u.PCM {
		e.pcm = append(e.pcm, int16(math.Round(float64(s)*f)))
	}
	at, e.end = media.Samples(first, media.ListenRate), e.length()
	if e.begin == 0 {
		e.begin = at
	}
	all, n := utf8.RuneCountInString(strings.Join(strings.Fields(u.Text), "")), 0
	place := func() time.Duration { return at + (e.end-at)*time.Duration(n)/time.Duration(all) }
	for w := range strings.FieldsSeq(u.Text) {
		from := place()
		n += utf8.RuneCountInString(w)
		e.words = append(e.words, stt.Word{Text: w, Start: from, End: place()})
	}
}

// rowsOf are the rows in their order.
func rowsOf(all []floorEvent) (rows []string) {
	for _, e := range all {
		if !slices.Contains(rows, e.row) {
			rows = append(rows, e.row)
		}
	}
	return rows
}
