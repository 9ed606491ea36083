package rtc

import (
	"context"
	"errors"
	"time"

	"parley/media"
)

// Audio is what the audio line of a call was negotiated to be.
type Audio struct {
	Codec  media.Codec
	PT     uint8 // payload type of the audio
	Events uint8 // payload type of telephone-event (RFC 4733); zero: none
}

// Path is a change of the network path between the two sides of a connected call.
type Path struct {
	At    time.Duration // on the session clock
	Up    bool
	Since time.Duration // when the last packet came before the path was lost; what was sent later probably did not arrive
}

// ICEServer is a STUN or TURN server, as WebRTC describes it.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

var errNotYet = errors.New("not yet")

// Audio is what was negotiated; it does not change within a call.
func (c *Call) Audio() Audio { return Audio{Codec: media.Opus, PT: 111} }

// Paths are the changes of the network path, bounded: only the last ones wait. It ends with Run.
func (c *Call) Paths() media.Source[Path] { return media.Of[Path]() }

// Tag names the present ICE session; it changes with every restart.
func (c *Call) Tag() string { return "" }

// Patch takes a fragment of the peer's description (RFC 8840) with further candidates, which may come early, or, with
// restart, with new credentials: then the answering fragment is returned.
func (c *Call) Patch(ctx context.Context, fragment string, restart bool) (string, error) {
	return "", errNotYet
}

// Reoffer answers a further offer of the peer within the call: a renegotiation or an ICE restart.
func (c *Call) Reoffer(ctx context.Context, offer string) (string, error) { return "", errNotYet }

// Restart is for the side that offered: it makes an offer with new ICE credentials, whose answer goes to Accept.
func (c *Call) Restart(ctx context.Context) (string, error) { return "", errNotYet }

// Alive notes a sign of life that came by another way than the media path: signaling.
func (c *Call) Alive() {}

// AnswerListener takes the offer of one who only listens: two recvonly audio lines, of which the first gets what the
// caller of the call from says and the second what is said to the caller, packets as they are. The listener's call
// ends with from's.
func (e *Endpoint) AnswerListener(ctx context.Context, offer string, from *Call) (*Call, string, error) {
	return nil, "", errNotYet
}
