package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"parley/agent/replay"
	"parley/cmd/parley/rec"
)

// print writes the account for people, or as a JSON object.
func (r *account) print(out io.Writer, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return fmt.Errorf("write account: %w", err)
		}
		return nil
	}
	p := &lines{out: out}
	r.head(p)
	for i, a := range r.Cues {
		a.print(p, i+1)
	}
	r.foot(p)
	return p.err
}

func (r *account) head(p *lines) {
	p.say("%s, recorded %s, again to %s, trial %d, %s", r.Recording, r.Start.Local().Format(time.DateTime), r.URL, r.Trial, r.Schedule)
	switch replay.Order(r.Schedule) {
	case replay.Reactive:
		p.say("  the caller is a model of a person: it waits, interrupts and goes on as recorded, whatever it is asked")
	default:
		p.say("  the caller does all at the recorded times, whatever the agent does: what comes of it is no conversation")
	}
	if h := r.Server; h != nil {
		p.say("  %s", rec.Wrap(fmt.Sprintf("server: build %s, stt %s, llm %s, tts %s", h.Build, h.STT, h.LLM, h.TTS), 500)[0])
	}
	if r.Counts.NoGreeting {
		p.say("  there was a greeting in the recording, and none now")
	}
}

func (a accounted) print(p *lines, n int) {
	p.say("%2d  %s  %s", n, place(a.Now.First), a.what())
	if a.Then.User != "" || a.Now.User != "" {
		p.say("      taken for %s", both(quoted(a.Now.User), quoted(a.Then.User)))
	}
	if a.Now.Stop != nil || a.Then.Stop != nil {
		p.say("      the agent fell silent %s", both(after(a.Now.Stop, "not at all"), after(a.Then.Stop, "not at all")))
	}
	if !a.Aside && (a.Answered || a.Now.Response != nil) {
		p.say("      answered %s", both(a.Now.answered(), a.Then.answered()))
	}
	if a.Then.Answer != "" || a.Now.Answer != "" {
		p.say("      with %s", both(quoted(a.Now.Answer), quoted(a.Then.Answer)))
	}
	for _, note := range a.notes() {
		p.say("      %s", note)
	}
}

// what says what the caller did.
func (a accounted) what() string {
	switch long := a.Now.Last - a.Now.First; {
	case a.Kind == replay.Write:
		return fmt.Sprintf("types %q", a.Text)
	case a.Kind == replay.Press:
		return "presses " + a.Text
	case a.Kind == replay.Mute && a.On:
		return "turns the microphone off"
	case a.Kind == replay.Mute:
		return "turns the microphone on"
	case a.Aside && a.Anchor == replay.InAnswer:
		return fmt.Sprintf("says something short (%v) %v into the answer", coarse(long), coarse(a.Wait))
	case a.Aside:
		return fmt.Sprintf("makes a sound (%v) that was taken for no turn", coarse(long))
	case a.Anchor == replay.InAnswer:
		return fmt.Sprintf("interrupts (%v) %v into the answer", coarse(long), coarse(a.Wait))
	default:
		return fmt.Sprintf("speaks (%v)", coarse(long))
	}
}

func (a accounted) notes() (all []string) {
	add := func(on bool, text string) {
		if on {
			all = append(all, text)
		}
	}
	add(a.Unanswered, "NOT ANSWERED: it was in the recording")
	add(a.Undone, "NOT DONE: the server takes no keys, or no messages")
	add(a.Late, "the answer was over before that place: said at once")
	add(a.HeardOut, "the agent was speaking at that moment, and was heard out first")
	add(a.Endless, "the answer before did not end")
	return all
}

func (r *account) foot(p *lines) {
	if r.Broken != "" {
		p.say("the call broke off: %s", r.Broken)
	}
	c := r.Counts
	sum := fmt.Sprintf("%.1f s, in the recording %.1f s; %d of %d done", r.Length.To.Seconds(), r.Length.From.Seconds(), c.Said, c.Said+c.Unsaid)
	for _, n := range []struct {
		n    int
		what string
	}{{c.Unanswered, "not answered"}, {c.Undone, "not taken"}, {c.Late, "late for an answer"}, {c.HeardOut, "after hearing the agent out"},
		{c.Endless, "after an answer without an end"}} {
		if n.n > 0 {
			sum += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	p.say("%s", sum)
	p.say("parley diff %s %s", r.part.path, r.path)
}

func (s side) answered() string {
	if s.Kept {
		return "by going on"
	}
	return after(s.Response, "not at all")
}

// both is what is now, and what was then if that is another.
func both(now, then string) string {
	if now == then {
		return now + ", as then"
	}
	return now + ", then " + then
}

func quoted(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

func after(d *time.Duration, none string) string {
	if d == nil {
		return none
	}
	return fmt.Sprintf("after %d ms", d.Milliseconds())
}

func coarse(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// place is a moment of a call.
func place(d time.Duration) string {
	return fmt.Sprintf("%d:%04.1f", int(d.Minutes()), (d % time.Minute).Seconds())
}
