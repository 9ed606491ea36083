package rtc

import (
	"context"
	"errors"
	"fmt"

	"github.com/pion/webrtc/v4"
)

// answer takes the offer and makes an answer whose line mid is alive in both directions.
func (c *Call) answer(ctx context.Context, offer, mid string) (string, error) {
	// What the description says was checked; what pion still refuses is in it too.
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	for _, t := range c.pc.GetTransceivers() {
		if t.Mid() == mid || t.Kind() != webrtc.RTPCodecTypeAudio {
			continue
		}
		if err := t.Stop(); err != nil {
			return "", fmt.Errorf("turn off second audio line: %w", err)
		}
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	if err := checkAnswer(answer.SDP, mid); err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	return c.describe(ctx, answer)
}

// offer makes an offer of one audio line and the data channel.
func (c *Call) offer(ctx context.Context) (string, error) {
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
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set local description: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", context.Cause(ctx))
	}
	local := c.pc.LocalDescription()
	if local == nil {
		return "", errors.New("gather candidates: the call was closed")
	}
	return local.SDP, nil
}

// Accept takes the peer's answer to our offer. An answer that would make a half call, or none, is an
// ErrAnswer; the call should then be closed.
func (c *Call) Accept(answer string) error {
	if err := checkAnswer(answer, ""); err != nil {
		return fmt.Errorf("%w: %s", ErrAnswer, err)
	}
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return fmt.Errorf("%w: %s", ErrAnswer, err)
	}
	return nil
}
