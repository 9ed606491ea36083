package rtc

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
)

// narrow is a peer's description for pion: the audio line m has the one codec that the call speaks, with our own
// parameters, and both directions. So pion answers with exactly that codec, and a call on hold keeps its tracks:
// pion would stop them for ever when a line is inactive. Candidates that cannot be read are left out.
func narrow(d *sdp.SessionDescription, m *sdp.MediaDescription, a Audio) (string, error) {
	for _, o := range d.MediaDescriptions {
		o.Attributes = slices.DeleteFunc(o.Attributes, func(x sdp.Attribute) bool {
			if !x.IsICECandidate() {
				return false
			}
			_, err := ice.UnmarshalCandidate(x.Value)
			return err != nil
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
	m.Attributes = append(m.Attributes, sdp.NewPropertyAttribute(bothWays))
	return text(d)
}

// redirected is our answer with line mid in another direction than pion's.
func redirected(answer, mid, to string) (string, error) {
	if to == bothWays {
		return answer, nil
	}
	d, err := parse(answer)
	if err != nil {
		return "", err
	}
	for _, m := range d.MediaDescriptions {
		if id, _ := m.Attribute(sdp.AttrKeyMID); id != mid {
			continue
		}
		for i, x := range m.Attributes {
			if _, ok := mirrored[x.Key]; ok {
				m.Attributes[i] = sdp.NewPropertyAttribute(to)
			}
		}
	}
	return text(d)
}

// renewed is the peer's description with other credentials, and without candidates: an offer to restart ICE.
func renewed(offer string, c credentials) (string, error) {
	d, err := parse(offer)
	if err != nil {
		return "", err
	}
	old := func(x sdp.Attribute) bool {
		return x.IsICECandidate() || x.Key == "end-of-candidates" || x.Key == "ice-ufrag" || x.Key == "ice-pwd"
	}
	d.Attributes = slices.DeleteFunc(d.Attributes, old)
	for _, m := range d.MediaDescriptions {
		m.Attributes = append(slices.DeleteFunc(m.Attributes, old),
			sdp.NewAttribute("ice-ufrag", c.ufrag), sdp.NewAttribute("ice-pwd", c.pwd))
	}
	return text(d)
}

func text(d *sdp.SessionDescription) (string, error) {
	b, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("write description: %w", err)
	}
	return string(b), nil
}
