package turn

import "time"

// Config is every threshold of the machine. The zero value of a field means its default.
type Config struct {
	Voice     Voice   `json:"voice"`
	End       End     `json:"end"`
	Pace      Pace    `json:"pace"`
	Interrupt BargeIn `json:"interrupt"`
	Silence   Quiet   `json:"silence"`
}

// Voice tells speech from the scores of a voice detector.
type Voice struct {
	Start float32       `json:"start"` // probability at which speech begins (0.5)
	Stop  float32       `json:"stop"`  // probability under which it ends (0.35)
	Onset time.Duration `json:"onset"` // scores must lie above Start for so long (64 ms)
}

// End is when a caller's turn is over, counted from the last voice. Which wait counts is decided by the probability that the turn is finished, of
// its words and its sound together. The defaults are those of a grid, tuned on one half of a corpus: docs/measure.md has what they come to on the
// other.
type End struct {
	Ahead    time.Duration `json:"ahead"`    // flush the recognizer and think ahead (100 ms)
	Short    time.Duration `json:"short"`    // commit a turn that seems finished (340 ms)
	Middle   time.Duration `json:"middle"`   // commit one that may be (850 ms)
	Long     time.Duration `json:"long"`     // commit one that does not seem so (2.1 s)
	Dangling time.Duration `json:"dangling"` // commit one whose words are not: "I would like to" (2.5 s)
	Spelled  time.Duration `json:"spelled"`  // commit letters and figures that are dictated (2.1 s)
	Text     time.Duration `json:"text"`     // the longest wait for a flushed text (2 s)
	Keys     time.Duration `json:"keys"`     // commit pressed keys so long after the last one; # commits at once (2 s)
	Done     float32       `json:"done"`     // from this probability on a turn seems finished (0.9)
	Open     float32       `json:"open"`     // under this one it does not (0.04)
}

// Pace is how far the waits of End adapt to a caller, as factors: they grow when the caller goes on right after a turn was taken as over or
// pauses long within one, and shrink a little with every turn that was over. Both 1: not at all.
type Pace struct {
	Least float64 `json:"least"` // (0.8)
	Most  float64 `json:"most"`  // (2)
}

// BargeIn is what happens when a voice is heard while the agent has the floor.
type BargeIn struct {
	Ask    time.Duration `json:"ask"`    // a voice that lasts so long is flushed for its words, and is no cough (400 ms)
	Words  int           `json:"words"`  // so many words interrupt, unless they are a backchannel (1)
	Text   time.Duration `json:"text"`   // the longest wait for them; then the agent goes on (700 ms)
	Rewind time.Duration `json:"rewind"` // how much is repeated when it goes on (300 ms)
}

// Quiet is how long nobody may speak. A negative CheckIn, GiveUp or Asked: for ever.
type Quiet struct {
	CheckIn time.Duration `json:"checkIn"` // ask whether the caller is still there (8 s)
	GiveUp  time.Duration `json:"giveUp"`  // say goodbye, counted from the same moment (30 s)
	Asked   time.Duration `json:"asked"`   // CheckIn after the caller asked for time: "hold on"; GiveUp is as much later (60 s)
	Answer  time.Duration `json:"answer"`  // the longest wait for the agent's first sound (20 s)
}

// WithDefaults is c with what is not set filled in.
func (c Config) WithDefaults() Config {
	ms := time.Millisecond
	or(&c.Voice.Start, 0.5)
	or(&c.Voice.Stop, 0.35)
	or(&c.Voice.Onset, 64*ms)
	or(&c.End.Ahead, 100*ms)
	or(&c.End.Short, 340*ms)
	or(&c.End.Middle, 850*ms)
	or(&c.End.Long, 2100*ms)
	or(&c.End.Dangling, 2500*ms)
	or(&c.End.Spelled, 2100*ms)
	or(&c.End.Text, 2000*ms)
	or(&c.End.Keys, 2000*ms)
	or(&c.End.Done, 0.9)
	or(&c.End.Open, 0.04)
	or(&c.Pace.Least, 0.8)
	or(&c.Pace.Most, 2)
	or(&c.Interrupt.Ask, 400*ms)
	or(&c.Interrupt.Words, 1)
	or(&c.Interrupt.Text, 700*ms)
	or(&c.Interrupt.Rewind, 300*ms)
	or(&c.Silence.CheckIn, 8*time.Second)
	or(&c.Silence.GiveUp, 30*time.Second)
	or(&c.Silence.Asked, 60*time.Second)
	or(&c.Silence.Answer, 20*time.Second)
	return c
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
