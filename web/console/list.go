package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/agent/archive"
	"parley/agent/replay"
	"parley/media/record"
)

const (
	lookTime  = 300 * time.Millisecond // for reading logs, a request
	limitMost = 1000
	textMost  = 256 << 10 // bytes of a conversation that are searched
)

// facts are kept of the recordings that were looked into.
type facts struct {
	mu   sync.Mutex
	seen map[string]fact
}

type fact struct {
	of    archive.Entry
	at    time.Time
	wrong string
	Facts
	text string // all that was said, in small letters
}

// wanted is what a list is asked for.
type wanted struct {
	archive.Filter
	text  string
	with  string
	limit int
}

// withs are what a conversation may be asked to have.
var withs = map[string]func(*Facts) bool{
	"":              func(*Facts) bool { return true },
	"troubles":      func(f *Facts) bool { return f.Troubles > 0 },
	"interruptions": func(f *Facts) bool { return f.Interruptions > 0 },
	"holds":         func(f *Facts) bool { return f.Holds > 0 },
}

// parse reads the query of a list.
func parse(q url.Values) (w wanted, err error) {
	w = wanted{text: fold(q.Get("text")), with: q.Get("with"), limit: 200}
	w.State = record.State(q.Get("state"))
	switch w.State {
	case "", record.Live, record.Killed, record.Closed, record.Rescued:
	default:
		return w, fmt.Errorf("state %.20q is none of live, closed, killed, recovered", w.State)
	}
	if withs[w.with] == nil {
		return w, fmt.Errorf("with %.20q is none of troubles, interruptions, holds", w.with)
	}
	for name, to := range map[string]*time.Time{"since": &w.Since, "until": &w.Until} {
		if v := q.Get(name); v != "" {
			if *to, err = time.Parse(time.RFC3339, v); err != nil {
				return w, fmt.Errorf("%s %.40q is no time like 2006-01-02T15:04:05Z", name, v)
			}
		}
	}
	for name, to := range map[string]*time.Duration{"least": &w.Min, "most": &w.Max} {
		if v := q.Get(name); v != "" {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || !(n >= 0 && n < 1e7) {
				return w, fmt.Errorf("%s %.40q is no number of seconds", name, v)
			}
			*to = time.Duration(n * float64(time.Second))
		}
	}
	if v := q.Get("limit"); v != "" {
		if w.limit, err = strconv.Atoi(v); err != nil || w.limit < 1 || w.limit > limitMost {
			return w, fmt.Errorf("limit %.40q is no number from 1 to %d", v, limitMost)
		}
	}
	return w, nil
}

func fold(s string) string { return strings.Join(strings.Fields(strings.ToLower(s)), " ") }

// list answers with the recordings that are asked for. Those that it has no time to look into are pending, and not
// in it if the filter asks for what is in them.
func (c *Console) list(w http.ResponseWriter, r *http.Request) {
	want, err := parse(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	all, err := c.opt.Archive.List(want.Filter)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	answer := List{Recordings: []Recording{}}
	until := time.Now().Add(lookTime)
	for _, e := range all {
		if r.Context().Err() != nil {
			return
		}
		needed := want.text != "" || want.with != ""
		if !needed && answer.Total >= want.limit {
			answer.Total++
			continue
		}
		f, known := c.fact(e, time.Now().Before(until))
		if !known {
			answer.Pending++
		}
		if needed && !(known && withs[want.with](&f.Facts) && strings.Contains(f.text, want.text)) {
			continue
		}
		if answer.Total++; answer.Total <= want.limit {
			answer.Recordings = append(answer.Recordings, line(e, f, known))
		}
	}
	if want == (wanted{limit: want.limit}) {
		c.facts.keep(all)
	}
	reply(w, http.StatusOK, answer)
}

// line is a line of the list.
func line(e archive.Entry, f fact, known bool) Recording {
	r := Recording{ID: e.ID, Start: e.Start.Format(time.RFC3339Nano), Length: seconds(e.Length), State: string(e.State), Codec: string(e.Codec), Bytes: e.Bytes + e.Blobs, Wrong: e.Trouble}
	if r.Codec == "" {
		r.Codec = "opus"
	}
	if r.Wrong == "" {
		r.Wrong = f.wrong
	}
	if known {
		r.Known, r.Facts = true, f.Facts
	}
	return r
}

// seconds is a time as the page has it, to the millisecond.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

// fact is what is known of a recording; may says that its log may be read for that.
func (c *Console) fact(e archive.Entry, may bool) (fact, bool) {
	c.facts.mu.Lock()
	f, ok := c.facts.seen[e.ID]
	c.facts.mu.Unlock()
	if ok && (f.of.Bytes == e.Bytes && f.of.Start.Equal(e.Start) && f.of.State == e.State || e.State == record.Live && time.Since(f.at) < freshness) {
		return f, true
	}
	if !may || e.Trouble != "" {
		return f, e.Trouble != ""
	}
	f = fact{of: e, at: time.Now()}
	b, err := c.opt.Archive.Open(e.ID)
	if err == nil {
		defer b.Close()
		var v *replay.Conversation
		if v, err = c.opt.Read(b); v != nil {
			f.Facts, f.text = sum(v)
		}
	}
	if err != nil {
		f.wrong = err.Error()
	}
	c.facts.mu.Lock()
	defer c.facts.mu.Unlock()
	if c.facts.seen == nil {
		c.facts.seen = map[string]fact{}
	}
	c.facts.seen[e.ID] = f
	return f, true
}

// keep forgets all but what is of these.
func (f *facts) keep(all []archive.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	there := make(map[string]bool, len(all))
	for _, e := range all {
		there[e.ID] = true
	}
	for id := range f.seen {
		if !there[id] {
			delete(f.seen, id)
		}
	}
}

// sum is what a list tells of a conversation, and what was said in it.
func sum(v *replay.Conversation) (f Facts, text string) {
	var all strings.Builder
	var latencies []time.Duration
	for _, t := range v.Turns {
		if t.User != "" || t.Answer.Heard != "" {
			f.Turns++
		}
		f.Troubles += len(t.Troubles)
		f.Holds += len(t.Holds)
		if t.Answer.Interrupted && t.Answer.Heard != "" { // by voice, a typed text or a key
			f.Interruptions++
		}
		if t.Latency != nil {
			latencies = append(latencies, t.Latency.Sent)
		}
		if f.Excerpt == "" {
			f.Excerpt = short(t.User)
		}
		if all.Len() < textMost {
			fmt.Fprintf(&all, "%s\n%s\n", fold(t.User), fold(t.Answer.Heard))
		}
	}
	if n := len(latencies); n > 0 {
		slices.Sort(latencies)
		f.Latency = seconds(latencies[n/2])
	}
	return f, all.String()
}

// short is the beginning of a text.
func short(s string) string {
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return s
}
