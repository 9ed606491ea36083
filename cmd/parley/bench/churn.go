package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"parley/internal/caller"
	"parley/internal/netsim"
	"parley/media/rtc"
)

// ChurnCmd is the verb "bench churn".
type ChurnCmd struct {
	Calls  int     `default:"10000" env:"-" help:"How many come and go."`
	Rate   float64 `default:"50" env:"-" help:"How many a second."`
	Steady int     `default:"2" env:"-" help:"Callers who stay meanwhile: what they hear must not suffer."`
}

// A way to come and go. Every one must leave the server as if it had never been there.
type way struct {
	name string
	call func(ctx context.Context, c *churn, e *rtc.Endpoint) error
}

var ways = []way{
	{"offer only", offerOnly},
	{"offer without candidates", offerWithoutCandidates},
	{"gone before DTLS", goneWithoutDTLS(0)},
	{"gone in DTLS", goneWithoutDTLS(1)},
	{"connected, then vanished", vanished},
	{"clean close", cleanClose(1)},
	{"closed twice", cleanClose(2)},
	{"closed while connecting", closedWhileConnecting},
}

const (
	churnConnect = 10 * time.Second // a call that should come up
	churnTalk    = 200 * time.Millisecond
	churnSettle  = 60 * time.Second // for the last ghosts: beyond the limits of the server
	churnWorkers = 400              // calls of this bench at the same time; others wait
	lateLimit    = 10 * time.Millisecond
)

// churn is one run.
type churn struct {
	ChurnCmd
	url  string
	http *http.Client

	mu     sync.Mutex
	done   map[string]int
	failed map[string]int
	first  error
}

// Run makes the bench and prints what the server held before and after. It fails if something is left.
func (cmd *ChurnCmd) Run(ctx context.Context, out io.Writer) (err error) {
	args := []string{"--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy",
		"--max-sessions", strconv.Itoa(cmd.Calls + cmd.Steady + 10), "--log-level", "error"}
	srv, err := start(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	header(out, fmt.Sprintf("bench churn: %d calls, %g a second, beside %d that stay", cmd.Calls, cmd.Rate, cmd.Steady), args)
	c := &churn{ChurnCmd: *cmd, url: srv.url, done: map[string]int{}, failed: map[string]int{},
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 15 * time.Second}}
	return c.bench(ctx, out, srv)
}

func (c *churn) bench(ctx context.Context, out io.Writer, srv *server) error {
	warm := &churn{ChurnCmd: c.ChurnCmd, url: c.url, http: c.http, done: map[string]int{}, failed: map[string]int{}}
	warm.Calls = 2 * len(ways) // what is made once is not a leak
	if err := warm.come(ctx); err != nil {
		return err
	}
	before, _, err := settled(ctx, srv, stats{})
	if err != nil {
		return err
	}
	staying, err := c.stay(ctx)
	if err != nil {
		return err
	}
	calm, err := staying.calm(ctx, 5*time.Second)
	if err != nil {
		return errors.Join(err, staying.stop())
	}
	began := time.Now()
	err = c.come(ctx)
	wall := time.Since(began)
	busy, heardErr := staying.heard()
	peak, statsErr := srv.stats(ctx, false)
	if err = errors.Join(err, heardErr, statsErr, staying.stop()); err != nil {
		return err
	}
	after, took, err := settled(ctx, srv, before)
	if err != nil {
		return err
	}
	c.print(out, before, peak, after, took, wall)
	c.printSteady(out, calm, busy)
	return errors.Join(leaked(before, after), c.first)
}

// settled waits until the server holds no more than it did.
func settled(ctx context.Context, srv *server, was stats) (now stats, took time.Duration, err error) {
	began := time.Now()
	for {
		if now, err = srv.stats(ctx, true); err != nil {
			return now, 0, err
		}
		took = time.Since(began)
		quiet := now.Sessions == 0 && (was.Goroutines == 0 || leaked(was, now) == nil)
		if quiet && was.Goroutines == 0 { // what closes last must not be taken for what was there
			if err := sleep(ctx, time.Second); err != nil {
				return now, took, err
			}
			now, err = srv.stats(ctx, true)
			return now, took, err
		}
		if quiet || took > churnSettle {
			return now, took, nil
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return now, took, err
		}
	}
}

// come has all calls come and go, each way in turn.
func (c *churn) come(ctx context.Context) error {
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	places := make(chan struct{}, churnWorkers)
	start := time.Now()
	for i := range c.Calls {
		if err = sleep(ctx, time.Until(start.Add(time.Duration(float64(i)/c.Rate*float64(time.Second))))); err != nil {
			break
		}
		places <- struct{}{}
		w := ways[i%len(ways)]
		all.Go(func() {
			defer func() { <-places }()
			c.note(w.name, w.call(ctx, c, e))
		})
	}
	all.Wait()
	return errors.Join(err, e.Close())
}

func (c *churn) note(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[name]++
	if err != nil {
		c.failed[name]++
		if c.first == nil {
			c.first = fmt.Errorf("%s: %w", name, err)
		}
	}
}

func offerOnly(ctx context.Context, c *churn, e *rtc.Endpoint) error {
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return err
	}
	defer call.Close()
	_, err = caller.Post(ctx, c.http, c.url, offer)
	return err
}

func offerWithoutCandidates(ctx context.Context, c *churn, e *rtc.Endpoint) error {
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return err
	}
	defer call.Close()
	var kept strings.Builder
	for line := range strings.Lines(offer) {
		if !strings.HasPrefix(line, "a=candidate") && !strings.HasPrefix(line, "a=end-of-candidates") {
			kept.WriteString(line)
		}
	}
	_, err = caller.Post(ctx, c.http, c.url, kept.String())
	return err
}

// through makes a call whose packets go through a relay of its own.
func through(ctx context.Context, c *churn, e *rtc.Endpoint, prepare func(*netsim.Relay)) (*rtc.Call, string, *netsim.Relay, error) {
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	answer, err := caller.Post(ctx, c.http, c.url, offer)
	if err == nil {
		var r *netsim.Relay
		if r, err = acceptThrough(call, answer.SDP, prepare); err == nil {
			return call, answer.Session, r, nil
		}
	}
	call.Close()
	return nil, "", nil, err
}

func acceptThrough(call *rtc.Call, answer string, prepare func(*netsim.Relay)) (*netsim.Relay, error) {
	to := netsim.Candidates(answer)
	if len(to) == 0 {
		return nil, errors.New("the answer has no candidate")
	}
	r, err := netsim.Listen(netsim.Options{Target: to[0]})
	if err != nil {
		return nil, err
	}
	prepare(r)
	if err := call.Accept(netsim.Rewrite(answer, to[0], r.Addr())); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// alive runs a call until f returns.
func alive(ctx context.Context, call *rtc.Call, f func() error) error {
	var all sync.WaitGroup
	all.Go(func() { _ = call.Run(ctx) }) // why it ends is f's doing
	err := f()
	call.Close()
	all.Wait()
	return err
}

func connected(ctx context.Context, call *rtc.Call) error {
	limit := time.NewTimer(churnConnect)
	defer limit.Stop()
	select {
	case <-call.Connected():
		return nil
	case <-limit.C:
		return errors.New("not connected in time")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// goneWithoutDTLS is there for ICE, and gone before or in the handshake.
func goneWithoutDTLS(after int) func(context.Context, *churn, *rtc.Endpoint) error {
	return func(ctx context.Context, c *churn, e *rtc.Endpoint) error {
		call, _, relay, err := through(ctx, c, e, func(r *netsim.Relay) { r.Drop(netsim.DTLS, after) })
		if err != nil {
			return err
		}
		defer relay.Close()
		return alive(ctx, call, func() error {
			err := sleep(ctx, 2*churnTalk)
			relay.Cut(true) // no goodbye
			return err
		})
	}
}

func vanished(ctx context.Context, c *churn, e *rtc.Endpoint) error {
	call, _, relay, err := through(ctx, c, e, func(*netsim.Relay) {})
	if err != nil {
		return err
	}
	defer relay.Close()
	return alive(ctx, call, func() error {
		err := errors.Join(connected(ctx, call), sleep(ctx, churnTalk))
		relay.Cut(true)
		return err
	})
}

// cleanClose hangs up, and ends the session by signaling as well if it is to close twice.
func cleanClose(times int) func(context.Context, *churn, *rtc.Endpoint) error {
	return func(ctx context.Context, c *churn, e *rtc.Endpoint) error {
		call, session, err := dial(ctx, c.http, e, c.url)
		if err != nil {
			return err
		}
		defer call.Close()
		err = alive(ctx, call, func() error { return errors.Join(connected(ctx, call), sleep(ctx, churnTalk)) })
		for range times - 1 {
			err = errors.Join(err, c.delete(ctx, session))
		}
		call.Close()
		return err
	}
}

func closedWhileConnecting(ctx context.Context, c *churn, e *rtc.Endpoint) error {
	call, session, err := dial(ctx, c.http, e, c.url)
	if err != nil {
		return err
	}
	defer call.Close()
	return alive(ctx, call, func() error { return errors.Join(sleep(ctx, 3*time.Millisecond), c.delete(ctx, session)) })
}

// delete ends a session; one that is over is no error.
func (c *churn) delete(ctx context.Context, session string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.url+"/sessions/"+session, nil)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	res.Body.Close()
	if res.StatusCode/100 != 2 && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("end session: %s", res.Status)
	}
	return nil
}

func (c *churn) print(out io.Writer, before, peak, after stats, took, wall time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tbefore\tat the end of the calls\tafterwards\n")
	fmt.Fprintf(w, "sessions\t%d\t%d\t%d\n", before.Sessions, peak.Sessions, after.Sessions)
	fmt.Fprintf(w, "goroutines\t%d\t%d\t%d\n", before.Goroutines, peak.Goroutines, after.Goroutines)
	fmt.Fprintf(w, "files and sockets\t%d\t%d\t%d\n", before.Files, peak.Files, after.Files)
	fmt.Fprintf(w, "heap, MiB (coders of audio included)\t%.1f\t%.1f\t%.1f\n", mib(before.Heap), mib(peak.Heap), mib(after.Heap))
	fmt.Fprintf(w, "resident, MiB\t%.0f\t%.0f\t%.0f\n", mib(before.RSS), mib(peak.RSS), mib(after.RSS))
	w.Flush()
	fmt.Fprintf(out, "\n%d calls in %.0f s, %.0f a second; as before %.1f s after the last\n", c.Calls, wall.Seconds(), float64(c.Calls)/wall.Seconds(), took.Seconds())
	for _, way := range ways {
		fmt.Fprintf(out, "  %-26s %5d, %d failed here\n", way.name, c.done[way.name], c.failed[way.name])
	}
}
