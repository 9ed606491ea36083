package rtc

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
)

// narrow is a peer's description for pion: the audio line m has the one codec that the call speaks, with our own
// parameters, and in a call both directions. So pion answers with exactly that codec, and a call on hold keeps its
// tracks: pion would stop them for ever when a line is inactive. Candidates that cannot be read are left out, and those
// beyond maxCandidates: each makes us send to its address.
func narrow(d *sdp.SessionDescription, m *sdp.MediaDescription, a Audio, direction string) (string, error) {
	candidates := 0
	for _, o := range d.MediaDescriptions {
		o.Attributes = slices.DeleteFunc(o.Attributes, func(x sdp.Attribute) bool {
			if !x.IsICECandidate() {
				return false
			}
			_, err := ice.UnmarshalCandidate(x.Value)
			if err == nil {
				candidates++
			}
			return err != nil || candidates > maxCandidates
		})
	}
	m.Attributes = slices.DeleteFunc(m.Attributes, func(x sdp.Attribute) bool {
		_, directed := mirrored[x.Key]
		return directed || x.Key == "rtpmap" || x.Key == "fmtp" || x.Key == "rtcp-fb"
	})
	m.MediaName.Formats = nil
	add := func(pt uint8, name, format string) {
		n := strconv.Itoa(int(pt))
		m.MediaName.Formats = append(m.MediaName.Formats, n)
		m.Attributes = append(m.Attributes, sdp.NewAttribute("rtpmap", n+" "+name))
		if format != "" {
			m.Attributes = append(m.Attributes, sdp.NewAttribute("fmtp", n+" "+format))
		}
	}
	add(a.PT, encoding(a.Codec), format(a.Codec))
	if a.Events != 0 {
		add(a.Events, fmt.Sprintf("%s/%d", events, a.Codec.Clock()), eventsFormat)
	}
	m.Attributes = append(m.Attributes, sdp.NewPropertyAttribute(direction))
	return text(d)
}

// completed is our answer, as pion made it, for the peer: the audio line in its direction, and the lines that pion was not
// told refused.
func completed(answer string, l audioLine) (string, error) {
	d, err := parse(answer)
	if err != nil {
		return "", err
	}
	if l.direction == bothWays && len(d.MediaDescriptions) >= len(l.names) {
		return answer, nil
	}
	for _, m := range d.MediaDescriptions {
		if id, _ := m.Attribute(sdp.AttrKeyMID); id != l.mid {
			continue
		}
		for i, x := range m.Attributes {
			if _, ok := mirrored[x.Key]; ok {
				m.Attributes[i] = sdp.NewPropertyAttribute(mirrored[l.direction])
			}
		}
	}
	nowhere := &sdp.ConnectionInformation{NetworkType: "IN", AddressType: "IP4", Address: &sdp.Address{Address: "0.0.0.0"}}
	for i := len(d.MediaDescriptions); i < len(l.names); i++ {
		m := &sdp.MediaDescription{MediaName: l.names[i], ConnectionInformation: nowhere} // Firefox reads no line without
		m.MediaName.Port = sdp.RangedPort{}
		if l.mids[i] != "" {
			m = m.WithValueAttribute(sdp.AttrKeyMID, l.mids[i])
		}
		d.MediaDescriptions = append(d.MediaDescriptions, m.WithPropertyAttribute(held))
	}
	return text(d)
}

// continued is a further offer of the call for pion: the one before with what may change, which is the ICE session, the
// sources of the audio, and the candidates. Of lines that were added pion is told nothing, so that no offer leaves it
// halfway.
func continued(before audioLine, next audioLine) (string, error) {
	d, err := parse(next.text)
	if err != nil {
		return "", err
	}
	var candidates, sources []sdp.Attribute
	for _, m := range d.MediaDescriptions {
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		for _, x := range m.Attributes {
			switch {
			case x.IsICECandidate():
				candidates = append(candidates, x)
			case mid == next.mid && isSource(x):
				sources = append(sources, x)
			}
		}
	}
	if d, err = parse(before.text); err != nil {
		return "", err
	}
	renew(d, next.ice)
	for i, m := range d.MediaDescriptions {
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		if i >= len(next.mids) || next.mids[i] != mid || next.names[i].Media != m.MediaName.Media {
			return "", fmt.Errorf("%w: its media lines do not begin with those of the call", ErrOffer)
		}
		if mid == next.mid {
			m.Attributes = slices.Concat(slices.DeleteFunc(m.Attributes, isSource), sources, candidates)
		}
	}
	return text(d)
}

func isSource(x sdp.Attribute) bool {
	return x.Key == "ssrc" || x.Key == "ssrc-group" || x.Key == "msid"
}

// renewed is the peer's description with other credentials, and without candidates: an offer to restart ICE.
func renewed(offer string, c credentials) (string, error) {
	d, err := parse(offer)
	if err != nil {
		return "", err
	}
	renew(d, c)
	return text(d)
}

func renew(d *sdp.SessionDescription, c credentials) {
	old := func(x sdp.Attribute) bool {
		return x.IsICECandidate() || x.Key == "end-of-candidates" || x.Key == "ice-ufrag" || x.Key == "ice-pwd"
	}
	d.Attributes = slices.DeleteFunc(d.Attributes, old)
	for _, m := range d.MediaDescriptions {
		m.Attributes = append(slices.DeleteFunc(m.Attributes, old),
			sdp.NewAttribute("ice-ufrag", c.ufrag), sdp.NewAttribute("ice-pwd", c.pwd))
	}
}

func text(d *sdp.SessionDescription) (string, error) {
	b, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("write description: %w", err)
	}
	return string(b), nil
}
