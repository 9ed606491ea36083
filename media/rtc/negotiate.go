package rtc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

// waitLimit bounds the waits of a negotiation: they take milliseconds, and with servers that do not answer seconds.
const waitLimit = 10 * time.Second

// talk is the state of a call's negotiations, of which there is one at a time.
type talk struct {
	turn     chan struct{} // holds one while somebody negotiates
	begun    chan struct{} // closed when ICE checks its first candidates
	offering bool          // we made the first offer
	line     audioLine     // of the peer's last description
	mids     []string      // of the lines of the last offer
	early    []early       // candidates that came before the answer they belong to
	count    int           // candidates of the peer's present ICE session
	tag      atomic.Pointer[string]
	mute     atomic.Bool // the peer said that it sends nothing
	deaf     atomic.Bool // the peer said that it takes nothing
}

// early is a candidate of an ICE session that the peer has not told yet.
type early struct{ ufrag, candidate string }

// negotiate lets f negotiate when it is its turn.
func (c *Call) negotiate(ctx context.Context, what string, f func() error) error {
	var err error
	select {
	case c.talk.turn <- struct{}{}:
		err = f()
		<-c.talk.turn
	case <-c.signals.ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if over := c.over(err); over != nil { // whatever pion says of a closed connection
		err = over
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// over is an ErrOver, and why, once the call is. The peer's goodbye closes the connection before Run notices; err may
// tell it.
func (c *Call) over(err error) error {
	select {
	case <-c.signals.ended:
		return fmt.Errorf("%w: %w", ErrOver, c.signals.why)
	default:
	}
	if errors.Is(err, webrtc.ErrConnectionClosed) || c.pc.SignalingState() == webrtc.SignalingStateClosed {
		return fmt.Errorf("%w: %w", ErrOver, ErrHangup)
	}
	return nil
}

// Audio is what was negotiated: it is known after Answer, or Accept, and does not change within a call.
func (c *Call) Audio() Audio {
	if a := c.out.audio.Load(); a != nil {
		return *a
	}
	return Audio{}
}

// Tag names the present ICE session in a way that may be told to anybody; it changes with every restart.
func (c *Call) Tag() string {
	if t := c.talk.tag.Load(); t != nil {
		return *t
	}
	return ""
}

// answer takes an offer that was read and makes an answer to it. What pion makes of the offer is alive in both
// directions; the direction of the offer is minded by us.
func (c *Call) answer(ctx context.Context, l audioLine, candidates []string) (string, error) {
	c.out.audio.Store(&l.audio)
	// What the description says was checked; what pion still refuses is in it too.
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: l.text}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	if err := c.addCandidates(candidates); err != nil {
		return "", err
	}
	for _, t := range c.pc.GetTransceivers() {
		if t.Mid() == l.mid || t.Mid() == "" || t.Kind() != webrtc.RTPCodecTypeAudio {
			continue
		}
		if err := t.Stop(); err != nil {
			return "", fmt.Errorf("turn off second audio line: %w", err)
		}
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	got, err := checkAnswer(answer.SDP, l.mid)
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	if got.audio != l.audio {
		return "", fmt.Errorf("answer %v: got %v", l.audio, got.audio)
	}
	text, err := c.describe(ctx, answer)
	if err != nil {
		return "", err
	}
	c.settle(l)
	return completed(text, l)
}

// settle takes note of the peer's description.
func (c *Call) settle(l audioLine) {
	if l.ice != c.talk.line.ice {
		c.talk.count = 0
	}
	c.talk.line = l
	if !c.talk.offering {
		c.talk.mids = l.mids
	}
	c.talk.mute.Store(l.direction == takes || l.direction == held)
	c.talk.deaf.Store(l.direction == sends || l.direction == held)
}

// offer makes an offer of one audio line and the data channel.
func (c *Call) offer(ctx context.Context) (string, error) {
	c.talk.offering = true
	dc, err := c.pc.CreateDataChannel(Label, nil)
	if err != nil {
		return "", fmt.Errorf("make data channel: %w", err)
	}
	c.adopt(dc)
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		return "", fmt.Errorf("make offer: %w", err)
	}
	return c.describe(ctx, offer)
}

// describe sets our own description and returns it with all candidates.
func (c *Call) describe(ctx context.Context, d webrtc.SessionDescription) (string, error) {
	if err := c.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set local description: %w", err)
	}
	if err := c.gathered(ctx); err != nil {
		return "", err
	}
	local := c.pc.LocalDescription()
	if local == nil {
		return "", errors.New("gather candidates: the call was closed")
	}
	return local.SDP, c.note(local.SDP)
}

// gathered waits for our own candidates. It is called when the search has begun.
func (c *Call) gathered(ctx context.Context) error {
	return c.wait(ctx, "gather candidates", webrtc.GatheringCompletePromise(c.pc))
}

// underway waits until ICE has begun, as it does by itself once the first offer was taken: pion would begin with the
// credentials of that one, and so undo a restart that came before.
func (c *Call) underway(ctx context.Context) error { return c.wait(ctx, "begin ICE", c.talk.begun) }

func (c *Call) wait(ctx context.Context, what string, done <-chan struct{}) error {
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-c.signals.ended:
		return fmt.Errorf("%s: %w", what, c.over(nil))
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case <-limit.C:
		return fmt.Errorf("%s: not done in %v", what, waitLimit)
	}
}

// note takes note of our own description: its ICE session, and in an offer its lines.
func (c *Call) note(local string) error {
	d, err := parse(local)
	if err != nil {
		return err
	}
	ufrag := iceOf(d).ufrag
	c.talk.tag.Store(&ufrag)
	if c.talk.offering {
		c.talk.mids = nil
		for _, m := range d.MediaDescriptions {
			mid, _ := m.Attribute("mid")
			c.talk.mids = append(c.talk.mids, mid)
		}
	}
	return nil
}

// Accept takes the peer's answer to our offer, of Offer or of Restart. An answer that would make a half call, or
// none, is an ErrAnswer; the call should then be closed.
func (c *Call) Accept(answer string) error {
	return c.negotiate(context.Background(), "accept answer", func() error {
		l, err := checkAnswer(answer, "")
		if err == nil && c.talk.line.mid != "" {
			err = c.talk.line.sameCall(l)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", ErrAnswer, err)
		}
		c.out.audio.Store(&l.audio)
		d := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: l.text}
		if err := c.pc.SetRemoteDescription(d); err != nil {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		c.Alive()
		c.settle(l)
		var candidates []string
		for _, e := range c.talk.early {
			if e.ufrag == "" || e.ufrag == l.ice.ufrag { // others are of an answer that never came
				candidates = append(candidates, e.candidate)
			}
		}
		c.talk.early = nil
		return c.addCandidates(candidates)
	})
}

// sameCall makes sure that a later description is of the same call: its audio goes on as it is.
func (l audioLine) sameCall(next audioLine) error {
	switch {
	case next.mid != l.mid:
		return fmt.Errorf("its first audio line is %q, that of the call is %q", next.mid, l.mid)
	case next.audio != l.audio:
		return fmt.Errorf("its audio is %v, that of the call is %v: the codec stays for the length of a call", next.audio, l.audio)
	case next.fingerprint != l.fingerprint:
		return errors.New("it is from another peer connection than the call: begin a new call")
	case next.ice.ufrag == "" || next.ice.pwd == "":
		return errors.New("it has no ICE credentials")
	}
	return nil
}

// Reoffer answers a further offer of the peer within the call: a renegotiation, an ICE restart, or both. The call's
// audio line goes on, on the same track and clock, in the direction that mirrors the offer's: an offer of sendonly or
// inactive puts what we send on hold, one of recvonly or inactive what the peer sends, without ending the call. Lines
// that are added are refused. An offer that is not of this call is an ErrOffer, and the call goes on. ctx ends the wait
// for its turn: a change that was begun is finished.
func (c *Call) Reoffer(ctx context.Context, offer string) (string, error) {
	var answer string
	err := c.negotiate(ctx, "answer further offer", func() error {
		if c.talk.offering {
			return errors.New("this side makes the offers of the call")
		}
		l, err := readOffer(offer, c.talk.line.audio.Codec)
		if err != nil {
			return err
		}
		if err := c.talk.line.sameCall(l); err != nil {
			return fmt.Errorf("%w: %s", ErrOffer, err)
		}
		if l.text, err = continued(c.talk.line, l); err != nil {
			return err
		}
		c.Alive()
		if err := c.underway(ctx); err != nil {
			return err
		}
		answer, err = c.answer(context.WithoutCancel(ctx), l, nil) // from here on there is no way back
		return err
	})
	return answer, err
}

// Restart is for the side that offered: it makes an offer with new ICE credentials and candidates, whose answer goes
// to Accept. Until then there is no path. It may be repeated when no answer comes, and before the first one.
func (c *Call) Restart(ctx context.Context) (string, error) {
	var offer string
	err := c.negotiate(ctx, "restart ICE", func() error {
		if !c.talk.offering {
			return errors.New("the side that offered the call restarts it")
		}
		answered := c.pc.SignalingState() == webrtc.SignalingStateStable
		if answered {
			if err := c.underway(ctx); err != nil {
				return err
			}
		}
		d, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
		if err != nil {
			return fmt.Errorf("make offer: %w", err)
		}
		if answered {
			offer, err = c.describe(ctx, d)
			return err
		}
		// pion has no second offer before the answer to the first, and does not need it: the credentials count.
		if err := c.gathered(ctx); err != nil {
			return err
		}
		if d, err = c.pc.CreateOffer(nil); err != nil { // now with its candidates
			return fmt.Errorf("make offer: %w", err)
		}
		offer = d.SDP
		return c.note(offer)
	})
	return offer, err
}

// Patch takes a fragment of the peer's description (RFC 8840). Without restart it has further candidates, which in
// the caller's role may come before the answer that they belong to; if it is of another ICE session than the present
// one it is an ErrStale. With restart, which only the peer that offered can ask for, it has the credentials of a new
// ICE session: then the answering fragment is returned. At most 64 candidates an ICE session are taken: a peer that
// sends more is told ErrHostile. A fragment that is not of this call is an ErrOffer. The call goes on in every case.
func (c *Call) Patch(ctx context.Context, s string, restart bool) (string, error) {
	f, err := parseFragment(s)
	if err != nil {
		return "", fmt.Errorf("take fragment: %w: %s", ErrOffer, err)
	}
	var answer string
	err = c.negotiate(ctx, "take fragment", func() error {
		for _, mid := range f.mids {
			if !slices.Contains(c.talk.mids, mid) {
				return fmt.Errorf("%w: the call has no line %q", ErrOffer, mid)
			}
		}
		c.Alive()
		if restart {
			answer, err = c.renew(ctx, f)
			return err
		}
		return c.trickle(f)
	})
	return answer, err
}

// trickle takes candidates.
func (c *Call) trickle(f fragment) error {
	waiting := c.talk.offering && c.pc.SignalingState() != webrtc.SignalingStateStable
	if !waiting && f.ice.ufrag != "" && f.ice != c.talk.line.ice {
		return fmt.Errorf("%w: its credentials are not those of the present session", ErrStale)
	}
	if c.talk.count += len(f.candidates); c.talk.count > maxCandidates {
		c.talk.count = maxCandidates
		return fmt.Errorf("%w: more than %d candidates", ErrHostile, maxCandidates)
	}
	if !waiting {
		return c.addCandidates(f.candidates)
	}
	for _, candidate := range f.candidates {
		c.talk.early = append(c.talk.early, early{f.ice.ufrag, candidate})
	}
	return nil
}

// renew restarts ICE with the peer's new credentials.
func (c *Call) renew(ctx context.Context, f fragment) (string, error) {
	switch l := c.talk.line; {
	case c.talk.offering:
		return "", errors.New("this side makes the offers of the call")
	case f.ice.ufrag == "":
		return "", fmt.Errorf("%w: a restart needs a=ice-ufrag and a=ice-pwd", ErrOffer)
	case f.ice == l.ice:
		return "", fmt.Errorf("%w: a restart needs new credentials", ErrOffer)
	}
	if err := c.underway(ctx); err != nil {
		return "", err
	}
	l := c.talk.line
	var err error
	if l.text, err = renewed(l.text, f.ice); err != nil {
		return "", err
	}
	l.ice = f.ice
	answer, err := c.answer(context.WithoutCancel(ctx), l, f.candidates) // from here on there is no way back
	if err != nil {
		return "", err
	}
	c.talk.count = len(f.candidates)
	return fragmentOf(answer)
}

func (c *Call) addCandidates(candidates []string) error {
	for _, s := range candidates {
		if err := c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: s}); err != nil {
			return fmt.Errorf("%w: candidate %.80q: %w", ErrOffer, s, err)
		}
	}
	return nil
}
