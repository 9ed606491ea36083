package rtc

import (
	"errors"
	"fmt"
	"slices"

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
		if o.text, err = narrow(d, m, o.audio, takes); err != nil {
			return o, err
		}
	}
	return o, nil
}

// take takes in the audio line m of d, the i-th.
func (o *listenerOffer) take(d *sdp.SessionDescription, m *sdp.MediaDescription, i int, codec media.Codec) error {
	if disabled(m) {
		return errors.New("is disabled (port 0)")
	}
	if dir := direction(d, m); dir != takes {
		return fmt.Errorf("is %s; a listener only hears: make it recvonly", dir)
	}
	audio, ok := pick(m, codec)
	if !ok {
		return fmt.Errorf("does not offer %s; the call speaks it, and nothing is converted for a listener: offer it", encoding(codec))
	}
	if i > 0 && audio.PT != o.audio.PT {
		return errors.New("has another payload type for the codec than the first: give both the same")
	}
	mid, _ := m.Attribute(sdp.AttrKeyMID)
	if mid == "" {
		return errors.New("has no a=mid")
	}
	o.mids[i], o.audio, o.passive = mid, Audio{Codec: codec, PT: audio.PT}, passive(d, m)
	return nil
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
			return fmt.Errorf("the answer's audio line %q is %v, not %v", want, a, o.audio)
		}
	}
	return nil
}
