package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"parley/internal/caller"
	"parley/internal/wav"
	"parley/media"
)

// listenerBuffer is how late a packet may be for a listener who plays 60 ms behind.
const listenerBuffer = 60 * time.Millisecond

// entry is one line of the JSON file. Times are milliseconds since the connection, durations milliseconds.
type entry struct {
	At      float64         `json:"at"`
	Kind    string          `json:"kind"`              // message, turn or summary
	Message json.RawMessage `json:"message,omitempty"` // as the server sent it
	Text    string          `json:"text,omitempty"`    // a message that is not JSON
	Turn    *turn           `json:"turn,omitempty"`
	Summary *summary        `json:"summary,omitempty"`
}

type turn struct {
	Number   int      `json:"number"`
	Said     string   `json:"said"`
	First    float64  `json:"firstMs"`              // first audible packet sent
	Last     float64  `json:"lastMs"`               // last audible packet sent
	Response *float64 `json:"responseMs,omitempty"` // last audible packet sent → first audible packet received
	Stop     *float64 `json:"stopMs,omitempty"`     // first audible packet sent → last audible packet received, if the agent was speaking
	Kept     bool     `json:"keptSpeaking"`         // the agent was audible at the end of what was said
}

type summary struct {
	Session   string  `json:"session"`
	Length    float64 `json:"lengthMs"`
	Audible   float64 `json:"audibleMs"` // sound received
	Received  int64   `json:"received"`
	Lost      int64   `json:"lost"`
	Late      int64   `json:"late"` // over 60 ms behind the most punctual packet
	LateP99   float64 `json:"lateP99Ms"`
	Reordered int64   `json:"reordered"`
	Restarts  int64   `json:"restarts"`
	Invalid   int64   `json:"invalid"`
	Codec     string  `json:"codec"`

	Network *network `json:"network,omitempty"` // what --net did
}

// network is what a bad network did to the audio, both ways.
type network struct {
	Profile  string `json:"profile"`
	Seed     uint64 `json:"seed"`
	Up       uint64 `json:"up"` // packets
	UpLost   uint64 `json:"upLost"`
	Down     uint64 `json:"down"`
	DownLost uint64 `json:"downLost"`
}

// String is for people.
func (n network) String() string {
	share := func(lost, all uint64) string {
		return fmt.Sprintf("%d of %d packets lost (%.1f %%)", lost, all, 100*float64(lost)/float64(max(all, 1)))
	}
	return fmt.Sprintf("network %s, seed %d: to the server %s, from it %s", n.Profile, n.Seed, share(n.UpLost, n.Up), share(n.DownLost, n.Down))
}

// report prints for people and writes JSON lines.
type report struct {
	out     io.Writer
	network string // profile of --net
	seed    uint64

	mu   sync.Mutex
	file *os.File // nil: no JSON
	err  error    // the first of the file
}

func newReport(out io.Writer, path string) (*report, error) {
	r := &report{out: out}
	if path == "" {
		return r, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create JSON file: %w", err)
	}
	r.file = f
	return r, nil
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	if err := errors.Join(r.err, r.file.Close()); err != nil {
		return fmt.Errorf("write JSON file: %w", err)
	}
	return nil
}

func (r *report) write(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil || r.err != nil {
		return
	}
	b, err := json.Marshal(e)
	if err == nil {
		_, err = r.file.Write(append(b, '\n'))
	}
	r.err = err
}

func (r *report) message(m caller.Message) {
	e := entry{At: millis(m.At), Kind: "message", Message: m.Raw}
	if !json.Valid(m.Raw) {
		e.Message, e.Text = nil, string(m.Raw)
	}
	r.write(e)
}

func (r *report) connected(c *caller.Caller) {
	name := c.Session()
	if name == "" {
		name = "without a name"
	}
	fmt.Fprintf(r.out, "connected, session %s", name)
	if codec := c.Codec(); codec != media.Opus {
		fmt.Fprintf(r.out, ", codec %s", codec)
	}
	fmt.Fprintln(r.out)
}

// summary reports the turns and the call.
func (r *report) summary(c *caller.Caller, all []spoken) {
	heard := c.Heard(-time.Hour)
	for i, s := range all {
		until := c.Now()
		if i+1 < len(all) {
			until = all[i+1].said.First
		}
		r.turn(c.Now(), i+1, s, caller.Measure(heard, s.said, until))
	}
	stats, late := c.Stats(), caller.Lateness(heard)
	sum := summary{Session: c.Session(), Length: millis(c.Now()), Received: stats.Received, Lost: stats.Lost,
		Reordered: stats.Reordered, Restarts: stats.Restarts, Invalid: stats.Invalid, Codec: string(c.Codec())}
	for i, p := range heard {
		if p.Level > caller.Audible {
			sum.Audible += millis(p.Long)
		}
		if late[i] > listenerBuffer {
			sum.Late++
		}
	}
	if slices.Sort(late); len(late) > 0 {
		sum.LateP99 = millis(late[(len(late)-1)*99/100])
	}
	fmt.Fprintf(r.out, "call of %.1f s: heard %.1f s of sound in %d packets; %d lost, %d later than %d ms, p99 lateness %.1f ms\n",
		c.Now().Seconds(), sum.Audible/1000, sum.Received, sum.Lost, sum.Late, listenerBuffer.Milliseconds(), sum.LateP99)
	if relay := c.Relay(); relay != nil {
		s := relay.Stats()
		sum.Network = &network{r.network, r.seed, s.Up.Audio, s.Up.AudioLost, s.Down.Audio, s.Down.AudioLost}
		fmt.Fprintln(r.out, *sum.Network)
	}
	r.write(entry{At: millis(c.Now()), Kind: "summary", Summary: &sum})
}

func (r *report) turn(now time.Duration, number int, s spoken, m caller.Turn) {
	t := turn{Number: number, Said: s.line.name, First: millis(s.said.First), Last: millis(s.said.Last), Kept: m.Kept}
	fmt.Fprintf(r.out, "turn %d: %s", number, s.line.name)
	if len(s.line.pcm) > 0 {
		fmt.Fprintf(r.out, " (%.2f s)", wav.Audio{Rate: caller.Rate, PCM: s.line.pcm}.Duration().Seconds())
	}
	switch {
	case s.said == caller.Said{}:
		fmt.Fprintf(r.out, ": nothing above %.0f dBFS was said\n", caller.Audible)
		r.write(entry{At: millis(now), Kind: "turn", Turn: &t})
		return
	case m.Kept:
		fmt.Fprint(r.out, ": the agent went on speaking")
	}
	if m.Stop >= 0 {
		t.Stop = new(millis(m.Stop))
		fmt.Fprintf(r.out, ": the agent stopped after %.0f ms", *t.Stop)
	}
	if m.Response >= 0 {
		t.Response = new(millis(m.Response))
		fmt.Fprintf(r.out, ": answered after %.0f ms", *t.Response)
	} else if !m.Kept {
		fmt.Fprint(r.out, ": no answer")
	}
	fmt.Fprintln(r.out)
	r.write(entry{At: millis(now), Kind: "turn", Turn: &t})
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
