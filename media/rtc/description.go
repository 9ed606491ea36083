package rtc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
)

// The bounds of an offer: far above what browsers send.
const (
	maxDescription = 64 << 10
	maxLines       = 16
	maxCandidates  = 64
)

// audioLine is the one audio line of a description that a call uses.
type audioLine struct {
	mid     string
	passive bool // the offering side wants to wait for the DTLS handshake
}

// checkOffer finds the audio line of an offer, or says why it cannot become a call. It starts nothing.
func checkOffer(offer string) (audioLine, error) {
	d, err := parse(offer)
	if err != nil {
		return audioLine{}, fmt.Errorf("%w: %s", ErrOffer, err)
	}
	m := firstAudio(d)
	if m == nil {
		return audioLine{}, fmt.Errorf("%w: it has no audio; add a microphone track before making the offer", ErrOffer)
	}
	_, only := m.Attribute("bundle-only")
	if m.MediaName.Port.Value == 0 && !only {
		return audioLine{}, fmt.Errorf("%w: its first audio line is disabled (port 0)", ErrOffer)
	}
	if !hasOpus(m) {
		return audioLine{}, fmt.Errorf("%w: it offers no Opus audio, the only codec spoken here; offer opus/48000/2", ErrOffer)
	}
	if dir := direction(d, m); dir != "sendrecv" {
		return audioLine{}, fmt.Errorf("%w: its audio is %s; a call needs both directions: add a microphone track "+
			"with direction sendrecv before making the offer", ErrOffer, dir)
	}
	mid, _ := m.Attribute(sdp.AttrKeyMID)
	if mid == "" {
		return audioLine{}, fmt.Errorf("%w: its audio line has no a=mid", ErrOffer)
	}
	setup, ok := m.Attribute(sdp.AttrKeyConnectionSetup)
	if !ok {
		setup, _ = d.Attribute(sdp.AttrKeyConnectionSetup)
	}
	return audioLine{mid: mid, passive: setup == sdp.ConnectionRolePassive.String()}, nil
}

// checkAnswer makes sure that an answer's audio line is alive in both directions; mid may be empty for the
// first one.
func checkAnswer(answer, mid string) error {
	d, err := parse(answer)
	if err != nil {
		return err
	}
	m := firstAudio(d)
	for _, o := range d.MediaDescriptions {
		if id, _ := o.Attribute(sdp.AttrKeyMID); mid != "" && id == mid {
			m = o
		}
	}
	switch {
	case m == nil || m.MediaName.Port.Value == 0:
		return fmt.Errorf("the answer has no audio")
	case !hasOpus(m):
		return fmt.Errorf("the answer's audio is not Opus")
	case direction(d, m) != "sendrecv":
		return fmt.Errorf("the answer's audio is %s: a call that only one side hears", direction(d, m))
	}
	return nil
}

func parse(text string) (*sdp.SessionDescription, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("the description has more than %d bytes", maxDescription)
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("the description cannot be read: %w", err)
	}
	if len(d.MediaDescriptions) > maxLines {
		return nil, fmt.Errorf("the description has more than %d media lines", maxLines)
	}
	candidates := 0
	for _, m := range d.MediaDescriptions {
		for _, a := range m.Attributes {
			if a.IsICECandidate() {
				candidates++
			}
		}
	}
	if candidates > maxCandidates*len(d.MediaDescriptions) {
		return nil, fmt.Errorf("the description has %d candidates, more than %d a media line", candidates, maxCandidates)
	}
	return &d, nil
}

func firstAudio(d *sdp.SessionDescription) *sdp.MediaDescription {
	i := slices.IndexFunc(d.MediaDescriptions, func(m *sdp.MediaDescription) bool { return m.MediaName.Media == "audio" })
	if i < 0 {
		return nil
	}
	return d.MediaDescriptions[i]
}

// hasOpus is whether one of the line's own formats is mapped to Opus.
func hasOpus(m *sdp.MediaDescription) bool {
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		pt, codec, _ := strings.Cut(a.Value, " ")
		if strings.EqualFold(codec, "opus/48000/2") && slices.Contains(m.MediaName.Formats, pt) {
			return true
		}
	}
	return false
}

// direction of a media line: its own attribute, else the session's, else sendrecv (RFC 8866, 6.7).
func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				return a.Key
			}
		}
	}
	return "sendrecv"
}
