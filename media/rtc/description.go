package rtc

import (
	"fmt"
	"slices"

	"github.com/pion/sdp/v3"

	"parley/media"
)

// The bounds of a description: far above what browsers send.
const (
	maxDescription = 64 << 10
	maxLines       = 16
	maxCandidates  = 64
)

// The directions of a media line, as the side that describes it sees them.
const (
	bothWays = "sendrecv"
	sends    = "sendonly"
	takes    = "recvonly"
	held     = "inactive"
)

// mirrored is the direction of the answer to an offer of this direction.
var mirrored = map[string]string{bothWays: bothWays, sends: takes, takes: sends, held: held}

// audioLine is the one audio line of a description that a call uses, and what goes with it.
type audioLine struct {
	mid         string
	direction   string
	passive     bool // the offering side wants to wait for the DTLS handshake
	audio       Audio
	fingerprint string // of the peer's certificate
	ice         credentials
	mids        []string        // of all lines
	names       []sdp.MediaName // likewise
	text        string          // the description as pion gets it: see narrow and continued
}

// credentials are those of one side of an ICE session.
type credentials struct{ ufrag, pwd string }

// checkOffer finds the audio line of a first offer, or says why it cannot become a call. It starts nothing.
func checkOffer(offer string) (audioLine, error) {
	l, err := readOffer(offer)
	if err != nil {
		return audioLine{}, err
	}
	if l.direction != bothWays {
		return audioLine{}, fmt.Errorf("%w: its audio is %s; a call needs both directions: add a microphone track "+
			"with direction sendrecv before making the offer", ErrOffer, l.direction)
	}
	return l, nil
}

// readOffer finds the audio line of an offer, of whatever direction; in a call, with only its codec.
func readOffer(offer string, only ...media.Codec) (audioLine, error) {
	d, err := parse(offer)
	if err != nil {
		return audioLine{}, fmt.Errorf("%w: %s", ErrOffer, err)
	}
	m := firstAudio(d)
	if m == nil {
		return audioLine{}, fmt.Errorf("%w: it has no audio; add a microphone track before making the offer", ErrOffer)
	}
	if disabled(m) {
		return audioLine{}, fmt.Errorf("%w: its first audio line is disabled (port 0)", ErrOffer)
	}
	if mid, _ := m.Attribute(sdp.AttrKeyMID); mid == "" {
		return audioLine{}, fmt.Errorf("%w: its audio line has no a=mid", ErrOffer)
	}
	l, err := readLine(d, m, only...)
	if err != nil {
		return audioLine{}, fmt.Errorf("%w: %s", ErrOffer, err)
	}
	return l, nil
}

// readLine takes in what a description says of its audio line m.
func readLine(d *sdp.SessionDescription, m *sdp.MediaDescription, only ...media.Codec) (audioLine, error) {
	audio, ok := pick(m, only...)
	if !ok && len(only) > 0 {
		return audioLine{}, fmt.Errorf("its audio is without %s: the codec stays for the length of a call", only[0])
	}
	if !ok {
		return audioLine{}, fmt.Errorf("its audio has no codec that is spoken here: one of opus/48000/2, G722, PCMU, PCMA")
	}
	fingerprint, _ := attribute(d, m, "fingerprint")
	l := audioLine{
		direction: direction(d, m), passive: passive(d, m),
		audio: audio, fingerprint: fingerprint, ice: iceOf(d),
	}
	l.mid, _ = m.Attribute(sdp.AttrKeyMID)
	for _, o := range d.MediaDescriptions {
		mid, _ := o.Attribute(sdp.AttrKeyMID)
		l.mids, l.names = append(l.mids, mid), append(l.names, o.MediaName)
	}
	text, err := narrow(d, m, audio, bothWays)
	l.text = text
	return l, err
}

// checkAnswer makes sure that an answer's audio line is alive in both directions; mid may be empty for the
// first one.
func checkAnswer(answer, mid string) (audioLine, error) {
	d, err := parse(answer)
	if err != nil {
		return audioLine{}, err
	}
	m := firstAudio(d)
	for _, o := range d.MediaDescriptions {
		if id, _ := o.Attribute(sdp.AttrKeyMID); mid != "" && id == mid {
			m = o
		}
	}
	if m == nil || m.MediaName.Port.Value == 0 {
		return audioLine{}, fmt.Errorf("the answer has no audio")
	}
	l, err := readLine(d, m)
	if err != nil {
		return audioLine{}, fmt.Errorf("the answer: %w", err)
	}
	if l.direction != bothWays {
		return audioLine{}, fmt.Errorf("the answer's audio is %s: a call that only one side hears", l.direction)
	}
	return l, nil
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
	mids := make(map[string]bool, maxLines)
	for _, m := range d.MediaDescriptions {
		mid, ok := m.Attribute(sdp.AttrKeyMID)
		if ok && mids[mid] {
			return nil, fmt.Errorf("the description has two media lines with a=mid:%s", mid)
		}
		mids[mid] = true
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

// attribute is the media line's own, else the session's.
func attribute(d *sdp.SessionDescription, m *sdp.MediaDescription, key string) (string, bool) {
	if v, ok := m.Attribute(key); ok {
		return v, true
	}
	return d.Attribute(key)
}

// disabled is whether the offering side does not use the line.
func disabled(m *sdp.MediaDescription) bool {
	_, bundled := m.Attribute("bundle-only")
	return m.MediaName.Port.Value == 0 && !bundled
}

// passive is whether the offering side wants to wait for the DTLS handshake.
func passive(d *sdp.SessionDescription, m *sdp.MediaDescription) bool {
	setup, _ := attribute(d, m, sdp.AttrKeyConnectionSetup)
	return setup == sdp.ConnectionRolePassive.String()
}

// iceOf is who describes in ICE: told for the session, or by the first line that does.
func iceOf(d *sdp.SessionDescription) credentials {
	var c credentials
	c.ufrag, _ = d.Attribute("ice-ufrag")
	c.pwd, _ = d.Attribute("ice-pwd")
	for _, m := range d.MediaDescriptions {
		if c.ufrag == "" {
			c.ufrag, _ = m.Attribute("ice-ufrag")
			c.pwd, _ = m.Attribute("ice-pwd")
		}
	}
	return c
}

// direction of a media line: its own attribute, else the session's, else sendrecv (RFC 8866, 6.7).
func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range attributes {
			if _, ok := mirrored[a.Key]; ok {
				return a.Key
			}
		}
	}
	return bothWays
}
