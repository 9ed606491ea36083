package rtc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"parley/media"
)

// listenerOffer is what an offer to listen says.
type listenerOffer struct {
	mids    [2]string // of the two audio lines
	audio   Audio     // the codec of both
	passive bool      // the listener wants to wait for the DTLS handshake
	text    string    // the description as pion gets it: see narrow
}

// checkListener finds the two audio lines of a listener's offer, or says what is wrong with it. It starts nothing.
func checkListener(offer string, codec media.Codec) (o listenerOffer, err error) {
	d, err := parse(offer)
	if err != nil {
		return o, fmt.Errorf("%w: %s", ErrOffer, err)
	}
	var found []*sdp.MediaDescription
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media == "audio" {
			found = append(found, m)
		}
	}
	if len(found) != len(o.mids) {
		return o, fmt.Errorf("%w: listening takes two audio lines, one for each side of the call, and it has %d; "+
			"add two transceivers of direction recvonly before making the offer", ErrOffer, len(found))
	}
	for i, m := range found {
		if err := o.take(d, m, i, codec); err != nil {
			return o, fmt.Errorf("%w: audio line %d %s", ErrOffer, i+1, err)
		}
	}
	for _, m := range found {
		if o.text, err = narrow(d, m, o.audio); err == nil {
			o.text, err = aim(d, m, takes) // narrow is for calls, of both directions
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// take takes in the audio line m of d, the i-th.
func (o *listenerOffer) take(d *sdp.SessionDescription, m *sdp.MediaDescription, i int, codec media.Codec) error {
	if _, only := m.Attribute("bundle-only"); m.MediaName.Port.Value == 0 && !only {
		return errors.New("is disabled (port 0)")
	}
	if dir := direction(d, m); dir != takes {
		return fmt.Errorf("is %s; a listener only hears: make it recvonly", dir)
	}
	pt, ok := payload(m, codec)
	if !ok {
		return fmt.Errorf("does not offer %s; the call speaks it, and nothing is converted for a listener: offer it", encoding(codec))
	}
	if i > 0 && pt != o.audio.PT {
		return errors.New("has another payload type for the codec than the first: give both the same")
	}
	mid, _ := m.Attribute(sdp.AttrKeyMID)
	if mid == "" || i > 0 && mid == o.mids[0] {
		return errors.New("has no a=mid of its own")
	}
	o.mids[i], o.audio = mid, Audio{Codec: codec, PT: pt}
	setup, _ := attribute(d, m, sdp.AttrKeyConnectionSetup)
	o.passive = setup == sdp.ConnectionRolePassive.String()
	return nil
}

// payload is the line's payload type for the codec.
func payload(m *sdp.MediaDescription, codec media.Codec) (uint8, bool) {
	names := encodings(m)
	for _, f := range m.MediaName.Formats {
		if pt, err := strconv.ParseUint(f, 10, 7); err == nil && strings.EqualFold(names[f], encoding(codec)) {
			return uint8(pt), true
		}
	}
	return 0, false
}

// aim is the description with the media line m in another direction.
func aim(d *sdp.SessionDescription, m *sdp.MediaDescription, to string) (string, error) {
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
		_, ok := mirrored[a.Key]
		return ok
	})
	m.Attributes = append(m.Attributes, sdp.NewPropertyAttribute(to))
	return text(d)
}

// checkAnswer makes sure that both lines of an answer are alive, only send, and speak the codec.
func (o *listenerOffer) checkAnswer(answer string) error {
	d, err := parse(answer)
	if err != nil {
		return err
	}
	for _, want := range o.mids {
		i := slices.IndexFunc(d.MediaDescriptions, func(m *sdp.MediaDescription) bool {
			mid, _ := m.Attribute(sdp.AttrKeyMID)
			return mid == want
		})
		if i < 0 || d.MediaDescriptions[i].MediaName.Port.Value == 0 || direction(d, d.MediaDescriptions[i]) != sends {
			return fmt.Errorf("the answer's audio line %q is not sendonly", want)
		}
		if a, _ := pick(d.MediaDescriptions[i]); a != o.audio {
			return fmt.Errorf("the answer's audio line %q is %s as %d, not %s as %d", want, a.Codec, a.PT, o.audio.Codec, o.audio.PT)
		}
	}
	return nil
}
