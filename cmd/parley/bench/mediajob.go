package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"parley/internal/caller"
	"parley/media"
	"parley/media/codec"
	"parley/media/rtc"
)

// mediaGoal is how many times the floor's processor time a session may cost.
const mediaGoal = 1.6

// mediaJob measures calls without an agent, beside the least that any server could do.
type mediaJob struct {
	LoadCmd
	packets [][]byte // Opus of human speech, from a browser's kind of encoder
}

// mediaRow is one load.
type mediaRow struct {
	sessions   int
	talk       float64
	cpu, floor float64 // seconds a session-second
	late       late    // at the server
	heard      figures // lateness of what callers received
	bytes      float64 // a session
	goroutines float64
	lost       int
}

// run makes the table.
func (m *mediaJob) run(ctx context.Context, out io.Writer) error {
	header(out, fmt.Sprintf("bench load --job media: %v callers, %v each", m.Sessions, m.Duration), nil)
	var err error
	if m.packets, err = spoken(); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "sessions\ttalk\tCPU-s a session-s\tfloor\tratio\tserver's ticks p99\tbare ticker p99\treceived p99\tKiB a session\tgoroutines\tpackets lost\t")
	for _, talk := range []float64{0.4, 1} {
		for _, n := range m.Sessions {
			r, err := m.row(ctx, n, talk)
			if err != nil {
				return errors.Join(err, w.Flush())
			}
			fmt.Fprintf(w, "%d\t%.0f %%\t%.4f\t%.4f\t%.2f\t%.1f ms\t%.1f ms\t%s\t%.0f\t%.1f\t%d\t\n", r.sessions, 100*r.talk, r.cpu, r.floor, r.cpu/r.floor,
				r.late.P99MS, r.late.TickerMS, millis(r.heard.at(99)), r.bytes/1024, r.goroutines, r.lost)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nfloor: one decode, one encode while speaking, one packet in and one out by a bare socket, measured in this run (to reach: %.1f times it)\n", mediaGoal)
	return nil
}

// spoken is human speech as Opus packets of 20 ms.
func spoken() ([][]byte, error) {
	pcm, err := monologue()
	if err != nil {
		return nil, err
	}
	enc, err := codec.NewOpusEncoder(media.SpeakRate, codec.EncoderOptions{Voice: true, Loss: 1})
	if err != nil {
		return nil, err
	}
	var all [][]byte
	buf := make([]byte, codec.MaxPayload)
	for ; len(pcm) >= media.SpeakRate/50; pcm = pcm[media.SpeakRate/50:] {
		n, err := enc.Encode(pcm[:media.SpeakRate/50], buf)
		if err != nil {
			return nil, err
		}
		all = append(all, append([]byte(nil), buf[:n]...))
	}
	return all, nil
}

func (m *mediaJob) row(ctx context.Context, n int, talk float64) (r mediaRow, err error) {
	r = mediaRow{sessions: n, talk: talk}
	if r.floor, err = m.bareRun(ctx, n, talk); err != nil {
		return r, fmt.Errorf("measure the floor: %w", err)
	}
	return r, m.serverRun(ctx, &r)
}

// child starts this program's media server.
func child(ctx context.Context, talk float64, more ...string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return startProgram(ctx, program, append([]string{"bench", "media-server", fmt.Sprintf("--talk=%g", talk)}, more...))
}

// cost is the processor time of s a session-second, while n sessions go on for the duration.
func (m *mediaJob) cost(ctx context.Context, s *server, n int) (float64, error) {
	from, err := process(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := sleep(ctx, m.Duration); err != nil {
		return 0, err
	}
	to, err := process(s.cmd.Process.Pid)
	return (to.cpu - from.cpu).Seconds() / time.Since(began).Seconds() / float64(n), err
}

// settle is the time that calls are given to set up before their cost is measured.
const settleTime = 2 * time.Second

func (m *mediaJob) bareRun(ctx context.Context, n int, talk float64) (cost float64, err error) {
	s, err := child(ctx, talk, "--bare")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	addr, err := fetchText(ctx, s.url+"/bare")
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range n {
		conn, err := net.Dial("udp", addr)
		if err != nil {
			return 0, fmt.Errorf("call: %w", err)
		}
		all.Go(func() { m.bareCaller(ctx, conn, i) })
		all.Go(func() {
			buf := make([]byte, 1500)
			for ctx.Err() == nil {
				if _, err := conn.Read(buf); errors.Is(err, net.ErrClosed) {
					return
				}
			}
		})
	}
	if err := sleep(ctx, settleTime); err != nil {
		return 0, err
	}
	return m.cost(ctx, s, n)
}

// bareCaller sends until ctx ends and closes conn.
func (m *mediaJob) bareCaller(ctx context.Context, conn net.Conn, number int) {
	defer conn.Close()
	var buf []byte
	m.paced(ctx, number, func(_ int, payload []byte) {
		buf = append(binary.BigEndian.AppendUint16(buf[:0], uint16(number)), payload...)
		_, _ = conn.Write(buf) // a server that is gone is noticed elsewhere
	})
}

// paced calls send every 20 ms on absolute deadlines until ctx ends.
func (m *mediaJob) paced(ctx context.Context, number int, send func(n int, payload []byte)) {
	start := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for n := 0; ; n++ {
		wait.Reset(time.Until(start.Add(time.Duration(n) * media.FrameDuration)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		send(n, m.packets[(n+number*37)%len(m.packets)])
	}
}

func (m *mediaJob) serverRun(ctx context.Context, r *mediaRow) (err error) {
	s, err := child(ctx, r.talk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	first := mediaCaller{job: m}
	once, end := context.WithTimeout(ctx, settleTime) // what a server makes once is not a session's
	first.phone(once, e, s.url)
	end()
	if first.err != nil {
		return first.err
	}
	if err := sleep(ctx, settleTime); err != nil {
		return err
	}
	before, err := s.stats(ctx, true)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	callers := make([]mediaCaller, r.sessions)
	var all sync.WaitGroup
	for i := range callers {
		callers[i] = mediaCaller{job: m, number: i}
		all.Go(func() { callers[i].phone(ctx, e, s.url) })
		if err = sleep(ctx, 10*time.Millisecond); err != nil {
			break
		}
	}
	if err == nil {
		err = m.measure(ctx, s, r, before)
	}
	stop()
	all.Wait()
	for _, c := range callers {
		r.heard, r.lost = append(r.heard, c.heard...), r.lost+c.lost
		err = errors.Join(err, c.err)
	}
	return err
}

func (m *mediaJob) measure(ctx context.Context, s *server, r *mediaRow, before stats) (err error) {
	if err := sleep(ctx, settleTime); err != nil {
		return err
	}
	if r.cpu, err = m.cost(ctx, s, r.sessions); err != nil {
		return err
	}
	during, err := s.stats(ctx, true)
	if err != nil {
		return err
	}
	if during.Sessions != r.sessions {
		return fmt.Errorf("%d of %d calls are up", during.Sessions, r.sessions)
	}
	r.bytes = float64(during.RSS-before.RSS) / float64(r.sessions)
	r.goroutines = float64(during.Goroutines-before.Goroutines) / float64(r.sessions)
	text, err := fetchText(ctx, s.url+"/debug/late")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), &r.late)
}

// mediaCaller speaks and listens, and decodes nothing.
type mediaCaller struct {
	job    *mediaJob
	number int
	heard  figures
	lost   int
	err    error
}

func (c *mediaCaller) phone(ctx context.Context, e *rtc.Endpoint, url string) {
	call, _, err := dial(ctx, nil, e, url)
	if err != nil {
		c.err = err
		return
	}
	up := call.Up().Tap(256, media.DropNewest)
	var all sync.WaitGroup
	defer all.Wait()
	defer call.Close()
	ended := make(chan struct{})
	all.Go(func() {
		defer close(ended)
		if err := call.Run(context.WithoutCancel(ctx)); ctx.Err() == nil {
			c.err = err
		}
	})
	all.Go(func() { c.listen(up) })
	select {
	case <-call.Connected():
	case <-ended:
		return
	}
	c.job.paced(ctx, c.number, func(n int, payload []byte) {
		call.Send(media.Packet{Seq: uint16(n), Time: uint32(n) * media.ClockRate / 50, Level: -1, Payload: payload})
	})
}

// listen notes how late packets are within their talk spurt's stream, by RTP time.
func (c *mediaCaller) listen(up *media.Tap[media.Packet]) {
	var all []caller.Packet
	var last uint16
	var at uint32
	place := time.Duration(0)
	for _, p := range up.All(context.Background()) { // the relay ends with the call
		if len(all) > 0 {
			c.lost += max(0, int(int16(p.Seq-last))-1)
			place += time.Duration(int32(p.Time-at)) * time.Second / media.ClockRate
		}
		last, at = p.Seq, p.Time
		all = append(all, caller.Packet{At: p.At, Place: place})
	}
	c.heard = caller.Lateness(all)
}

// dial makes a call to the server at url; it is the caller's to run and to close. A nil client is one of its own.
func dial(ctx context.Context, client *http.Client, e *rtc.Endpoint, url string) (call *rtc.Call, session string, err error) {
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return nil, "", err
	}
	answer, err := caller.Post(ctx, client, url, offer)
	if err == nil {
		err = call.Accept(answer.SDP)
	}
	if err != nil {
		call.Close()
		return nil, "", err
	}
	return call, answer.Session, nil
}

func fetchText(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("ask server: %w", err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask server: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return "", fmt.Errorf("ask server: %w", err)
	}
	return string(b), nil
}
