package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/llm"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/media/record"
)

func TestPauses(t *testing.T) {
	p := pauses{off: map[side]bool{}}
	for i, c := range []struct {
		who  side
		on   bool
		want string // on, by
	}{
		{caller, true, "true "}, {caller, false, "false caller"}, {operator, false, "false caller"}, {caller, true, "false operator"}, {caller, true, "false operator"},
		{caller, false, "false operator"}, {operator, true, "false caller"}, {operator, true, "false caller"}, {caller, true, "true caller"},
		{operator, false, "false operator"}, {operator, false, "false operator"}, {operator, true, "true operator"}, {caller, true, "true operator"},
	} {
		p.want(c.who, c.on)
		if s := p.state(); fmt.Sprintf("%v %s", s.On, s.By) != c.want {
			t.Errorf("%d: %+v, want %s", i, s, c.want)
		}
	}
}

// recorded is a tape into dir that runs until stop.
func recorded(t testing.TB, dir string, o record.Options) (tp *tape, up, down *media.Relay[media.Packet], stop func()) {
	t.Helper()
	d := &deck{archive: &archive.Archive{Dir: dir}, speech: o.Blobs, log: discard}
	w, err := record.New(dir, record.Manifest{ID: "c", Start: time.Now()}, o)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	tp = d.tape("c", w, func() time.Duration { return time.Since(begin) }, func([]byte) {})
	up, down = &media.Relay[media.Packet]{}, &media.Relay[media.Packet]{}
	tp.taps = record.Taps{Up: up.Tap(tapeDepth, media.DropNewest), Down: down.Tap(tapeDepth, media.DropNewest)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { tp.run(ctx, discard) })
	return tp, up, down, func() {
		cancel()
		wg.Wait()
	}
}

// What two goroutines bring gets numbers and times that go forward.
func TestScores(t *testing.T) {
	dir := t.TempDir()
	tp, _, _, stop := recorded(t, dir, record.Options{})
	for i := range 10 {
		tp.heard([]vad.Score{{At: time.Duration(i) * 32 * time.Millisecond, Voice: 0.5}, {At: time.Duration(i)*32*time.Millisecond + 10, Voice: 0.25}})
		tp.note(agent.Event{Seq: uint64(i + 1), At: time.Duration(i), Kind: agent.Step, Step: &turn.Entry{In: turn.Input{Kind: turn.Finished, P: 0.75, Turn: 1}}})
		tp.tick(time.Duration(i) * time.Millisecond)
	}
	tp.note(agent.Event{Seq: 11, At: time.Second, Kind: agent.Step, Step: &turn.Entry{In: turn.Input{Kind: turn.Muted, On: true}}})
	for deadline := time.Now().Add(5 * time.Second); !tp.deck.records("c") && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if !tp.deck.records("c") {
		t.Error("it is not known to be recorded")
	}
	stop()
	if tp.deck.records("c") {
		t.Error("it is still said to be recorded")
	}
	b, err := record.Open(filepath.Join(dir, "c.conv"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	names, seq, ticks, mutes := "", uint64(0), 0, 0
	for e, err := range b.Log() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == record.Score {
			names += e.Name[:1]
			if seq++; e.Seq != seq {
				t.Errorf("score %d has number %d", seq, e.Seq)
			}
		}
	}
	for e, err := range b.Packets() {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case record.Tick:
			ticks++
		case record.Mute:
			mutes++
		}
	}
	if names != strings.Repeat("vvf", 10) || ticks != 10 || mutes != 1 {
		t.Errorf("%s, %d ticks, %d mutes", names, ticks, mutes)
	}
	if r := b.Verify(); len(r.Problems) > 0 || r.Log.Lines != 11 {
		t.Errorf("%+v", r)
	}
}

// A call that is not recorded has a tape that does nothing.
func TestNoTape(t *testing.T) {
	tp, err := (*deck)(nil).load("x", nil, agent.Profile{}, nil, nil)
	if tp != nil || err != nil {
		t.Fatal(tp, err)
	}
	s := agent.Session{Model: llmscript.Echo()}
	tp.record(&s)
	tp.note(agent.Event{})
	tp.tick(1)
	tp.allow(caller, false)
	tp.run(t.Context(), discard)
	if s.Heard != nil || s.Recognizer != nil {
		t.Error("something was put into the session")
	}
}

// warmed is a model that can be warmed.
type warmed struct {
	llm.Model
	times *int
}

func (w warmed) Warm(context.Context, llm.Request) error { *w.times++; return nil }

func TestModelStaysWarm(t *testing.T) {
	tp, _, _, stop := recorded(t, t.TempDir(), record.Options{})
	defer stop()
	var times int
	w, ok := tp.model(warmed{llmscript.Echo(), &times}).(llm.Warmer)
	if !ok || w.Warm(t.Context(), llm.Request{}) != nil || times != 1 {
		t.Error("it is not warmed")
	}
	if _, ok := tp.model(llmscript.Echo()).(llm.Warmer); ok {
		t.Error("a model that cannot be warmed says that it can")
	}
}

// parsed is serve with flags.
func parsed(args ...string) (*Cmd, error) {
	var c Cmd
	k, err := kong.New(&c, Vars(), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	_, err = k.Parse(args)
	return &c, err
}

func TestRecordFlags(t *testing.T) {
	c, err := parsed("--record", "/x", "--keep", "30d", "--keep-max", "1.5TB", "--no-record-speech")
	if err != nil || c.Keep != archive.Period(30*24*time.Hour) || c.KeepMax != 15e11 || c.RecordSpeech {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = parsed(); err != nil || c.Record != "" || !c.RecordSpeech || c.Keep != 0 || c.KeepMax != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, args := range [][]string{{"--keep", "soon"}, {"--keep=-1d"}, {"--keep-max", "much"}, {"--keep-max=-1GB"}} {
		if _, err := parsed(args...); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	for _, args := range [][]string{{"--keep", "30d"}, {"--keep-max", "1GB"}} {
		c, err := parsed(args...)
		if err == nil {
			err = c.Run(t.Context(), io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), "--record") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestOpenDeck(t *testing.T) {
	dir := t.TempDir()
	if d, err := (Records{}).openDeck(discard); d != nil || err != nil {
		t.Errorf("%v, %v", d, err)
	}
	d, err := (Records{Record: filepath.Join(dir, "a", "b")}).openDeck(discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "a", "b", ".deleted-x.conv"), 0o700); err != nil {
		t.Fatal(err)
	}
	stop := (Records{}).retain(t.Context(), d)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if left, err := os.ReadDir(d.archive.Dir); err == nil && len(left) == 0 {
			break
		}
	}
	stop()
	if left, err := os.ReadDir(d.archive.Dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Records{Record: filepath.Join(dir, "file")}).openDeck(discard); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// A second of twenty conversations in which somebody speaks, as it goes: 50 packets each way, 31 scores, as many steps, ten
// lines of the engines' tape. It reports the processor's time of one conversation's second, writing to the disk included; off
// is what the benchmark itself takes. Run it with -benchtime 5x: it takes that many seconds.
func BenchmarkSecond(b *testing.B) {
	const many = 20
	for _, on := range []bool{false, true} {
		b.Run(map[bool]string{false: "off", true: "on"}[on], func(b *testing.B) {
			var all []*hand
			packer := &record.Packer{} // one, as serve has
			for range many {
				h := &hand{up: &media.Relay[media.Packet]{}, down: &media.Relay[media.Packet]{}}
				if on {
					var stop func()
					h.tape, h.up, h.down, stop = recorded(b, b.TempDir(), record.Options{Packer: packer})
					defer stop()
				}
				all = append(all, h)
			}
			tick := time.NewTicker(media.FrameDuration)
			defer tick.Stop()
			for range 100 { // their files are made, their memory is there
				<-tick.C
				for _, h := range all {
					h.frame(0)
				}
			}
			before, allocated := cpu(), memory()
			for range b.N {
				for i := range 50 {
					for _, h := range all {
						h.frame(i)
					}
					<-tick.C
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N*many), "cpu-ns/second")
			b.ReportMetric(float64(memory()-allocated)/float64(b.N*many), "B/second")
			for _, h := range all {
				if h.tape != nil && h.tape.writer.Status().Lost > 0 {
					b.Log("entries were lost: the disk is busy with something else")
				}
			}
		})
	}
}

// hand is what feeds a tape.
type hand struct {
	tape     *tape
	up, down *media.Relay[media.Packet]
	seq      uint64
}

var (
	frameOf20ms = make([]byte, 80)
	soundLine   = []byte(`{"engine":"tts","stream":3,"sound":{"rate":24000,"samples":2400,"after":12345678}}`)
)

// frame is 20 ms.
func (h *hand) frame(i int) {
	h.seq++
	now := time.Duration(h.seq) * media.FrameDuration
	p := media.Packet{At: now, Seq: uint16(h.seq), Time: uint32(h.seq) * 960, Payload: frameOf20ms}
	h.up.Send(p)
	h.down.Send(p)
	if h.tape == nil {
		return
	}
	if i%8 < 5 {
		h.tape.heard([]vad.Score{{At: now, Voice: 0.97}})
		h.tape.note(agent.Event{Seq: h.seq, At: now, Kind: agent.Step, Step: &turn.Entry{Seq: h.seq, Now: now, Wake: now + time.Second,
			In: turn.Input{Kind: turn.Score, At: now, Voice: 0.97, Loud: now}}})
	}
	if i%5 == 0 {
		h.tape.said(now, soundLine)
	}
}

func memory() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// cpu is the processor's time of this process, in ns.
func cpu() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it cannot fail for oneself
	return r.Utime.Nano() + r.Stime.Nano()
}
