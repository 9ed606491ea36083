package rtc

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// Why a call could not be made, or why it ended.
var (
	ErrOffer          = errors.New("the offer cannot be answered") // the caller's fault; the text says what to do
	ErrAnswer         = errors.New("the answer is of no use")      // the server's fault
	ErrHangup         = errors.New("hung up")                      // Close, or the peer said goodbye
	ErrNeverConnected = errors.New("the peer never connected")
	ErrVanished       = errors.New("the peer vanished")
	ErrNoMedia        = errors.New("no media: the peer sends no audio")
	ErrNotReceived    = errors.New("not received: our audio does not reach the peer")
	ErrHostile        = errors.New("the peer floods the call")
	ErrStale          = errors.New("the ICE session is not the present one") // the caller's: it is to restart, or has
	ErrOver           = errors.New("the call is over")                       // it comes with why; a listener's: the call listened to
)

// Label is the name of the data channel. The side that offers opens it; any other channel is closed.
const Label = "parley"

// closeLimit bounds the closing of a peer connection; it takes milliseconds.
const closeLimit = 5 * time.Second

// reader is the Read of pion's RTP senders and receivers.
type reader func([]byte) (int, interceptor.Attributes, error)

// Call is one call. Its methods are safe for concurrent use, Send excepted.
type Call struct {
	start    time.Time
	limits   Timeouts
	log      *slog.Logger
	pc       *webrtc.PeerConnection
	sender   *webrtc.RTPSender
	out      outgoing
	channel  *channel
	up, down media.Relay[media.Packet]
	controls controls
	signals  signals
	count    counters
	seen     sightings
	talk     talk
	flood    flood
}

// sightings are the times of the vitals, on the session clock.
type sightings struct {
	received, sent, reported atomic.Int64
	heard                    atomic.Int64 // RTP or RTCP in
	alive                    atomic.Int64
	muted                    atomic.Int64 // when the peer, on hold, was last not expected to send
}

// signals are what pion's callbacks and other goroutines tell Run. Nothing ever waits to tell.
type signals struct {
	connected chan struct{} // closed by Run
	open      atomic.Bool   // connected
	changed   chan struct{} // look at the state again; room for one
	tracks    chan incoming
	ended     chan struct{} // closed by the first end
	once      sync.Once
	why       error       // set before ended is closed
	claimed   atomic.Bool // the peer connection belongs to Run, or to a Close before it
	paths     chan Path   // closed when Run ends
}

type counters struct {
	received, sent, unsent   atomic.Uint64
	messages, posts, ignored atomic.Uint64
	loss                     atomic.Uint32 // in 256ths
	rtt, jitter              atomic.Int64
}

// Stats are a call's counters. All but Loss, RTT and Jitter only grow.
type Stats struct {
	Received        uint64        // RTP packets in
	Sent            uint64        // RTP packets out
	Unsent          uint64        // given to Send while there was no connection
	Loss            float64       // of what we send, as the peer last reported: 0 to 1
	RTT             time.Duration // there and back, as the peer's last report tells; up to 10 ms of it are our own reading's; zero: not known
	Jitter          time.Duration // of what we send, as the peer last reported (RFC 3550, 6.4.1)
	Dropped         uint64        // packets and messages beyond what a peer may send
	DroppedMessages uint64        // came faster than Messages was read
	DroppedPosts    uint64        // refused by Post
	Ignored         uint64        // messages that were not text or too long, and tracks beyond the bound
}

func (e *Endpoint) newCall(kind *engine) (*Call, error) {
	c := &Call{
		start: time.Now(), limits: e.limits, log: e.log, channel: newChannel(), out: outgoing{id: "audio"},
		talk: talk{turn: make(chan struct{}, 1), begun: make(chan struct{})},
		signals: signals{
			connected: make(chan struct{}), changed: make(chan struct{}, 1),
			tracks: make(chan incoming, 4), ended: make(chan struct{}), paths: make(chan Path, pathDepth),
		},
	}
	config := webrtc.Configuration{Certificates: []webrtc.Certificate{e.cert}}
	if kind == e.caller {
		config.ICEServers, config.ICETransportPolicy = e.servers, e.policy
	}
	pc, err := kind.connection(config, c)
	if err != nil {
		return nil, err
	}
	c.pc = pc
	pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { c.look() })
	begin := sync.OnceFunc(func() { close(c.talk.begun) })
	pc.OnICEConnectionStateChange(func(webrtc.ICEConnectionState) { begin() })
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		select {
		case c.signals.tracks <- incoming{t, r}:
		default:
			c.count.ignored.Add(1)
		}
	})
	pc.OnDataChannel(c.adopt)
	if c.sender, err = pc.AddTrack(&c.out); err != nil {
		c.Close()
		return nil, fmt.Errorf("add track: %w", err)
	}
	return c, nil
}

// look makes Run look at the state of the peer connection. The callbacks' own argument is of no use: they
// may come in any order.
func (c *Call) look() {
	select {
	case c.signals.changed <- struct{}{}:
	default:
	}
}

func (c *Call) end(why error) {
	c.signals.once.Do(func() {
		c.signals.why = why
		close(c.signals.ended)
	})
}

// Connected is closed when both sides can send. It stays open in a call that never connects.
func (c *Call) Connected() <-chan struct{} { return c.signals.connected }

// Now is the session clock: the time since the call was made.
func (c *Call) Now() time.Duration { return time.Since(c.start) }

// Up is what the peer sends, in order of arrival: nothing is put in order or repaired. It ends with Run.
func (c *Call) Up() *media.Relay[media.Packet] { return &c.up }

// Down is what Send really sent. It ends with Run.
func (c *Call) Down() *media.Relay[media.Packet] { return &c.down }

// Start is the wall time at zero of the session clock. Our sender reports name the session clock by it, as NTP time: it
// begins at the wall's and does not follow when that is set, so a report less Start is a session time.
func (c *Call) Start() time.Time { return c.start }

// wall is the session clock as a wall time.
func (c *Call) wall() time.Time { return c.start.Add(c.Now()) }

// Controls is the RTCP of both sides, one packet each: pion takes compound datagrams apart. What the peer sends has Up
// and the time of its arrival, what is sent to it the time of sending. It ends with Run.
func (c *Call) Controls() *media.Relay[media.Control] { return &c.controls.Relay }

// Messages are the peer's text messages, each at most 16 KiB. Up to 64 wait to be read, further ones are
// dropped and counted. It ends with Run.
func (c *Call) Messages() media.Source[[]byte] { return media.From(c.channel.inbox) }

// Send sends p at once, under its own sequence number, timestamp and marker; its time, SSRC and payload type
// are those of the wire, but for the payload type of telephone-event, which stays. A packet given before the call is
// connected, while the peer has put it on hold, or after its end, is counted and forgotten. There is no error: whether
// the peer is alive and receives is watched by Run. One caller at a time.
func (c *Call) Send(p media.Packet) {
	if !c.signals.open.Load() || c.talk.deaf.Load() {
		c.count.unsent.Add(1)
		return
	}
	p.At = c.Now()
	if !c.out.write(&p) {
		c.count.unsent.Add(1)
		return
	}
	c.seen.sent.Store(int64(p.At))
	c.count.sent.Add(1)
	c.down.Send(p)
}

// Stats may be read at any time.
func (c *Call) Stats() Stats {
	n := &c.count
	return Stats{
		Received: n.received.Load(), Sent: n.sent.Load(), Unsent: n.unsent.Load(), Loss: float64(n.loss.Load()) / 256,
		RTT: time.Duration(n.rtt.Load()), Jitter: time.Duration(n.jitter.Load()), Dropped: c.flood.dropped.Load(),
		DroppedMessages: n.messages.Load(), DroppedPosts: n.posts.Load(), Ignored: n.ignored.Load(),
	}
}

// Close asks Run to end with ErrHangup. A call that Run has not been called for is freed here; Run then
// returns at once. It may be called more than once, and from any goroutine.
func (c *Call) Close() {
	c.end(ErrHangup)
	if c.signals.claimed.CompareAndSwap(false, true) {
		var none sync.WaitGroup
		c.free(&none)
	}
}
