package rtc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// Audio is what the audio line of a call was negotiated to be.
type Audio struct {
	Codec  media.Codec
	PT     uint8 // payload type of the audio
	Events uint8 // payload type of telephone-event (RFC 4733); zero: none
}

// String implements fmt.Stringer.
func (a Audio) String() string {
	if a.Events == 0 {
		return fmt.Sprintf("%s as %d", a.Codec, a.PT)
	}
	return fmt.Sprintf("%s as %d with %s as %d", a.Codec, a.PT, events, a.Events)
}

// spoken are the codecs of a call, in the order that a caller offers them.
var spoken = []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA}

// payloads are the payload types we offer. Those of RFC 3551 mean their codec without an a=rtpmap too.
var payloads = map[media.Codec]uint8{media.Opus: 111, media.G722: 9, media.PCMU: 0, media.PCMA: 8}

// What the descriptions say of the formats.
const (
	events       = "telephone-event"
	eventsFormat = "0-15"                       // the keys of a telephone (RFC 4733, 3.2)
	opusFormat   = "minptime=10;useinbandfec=1" // what we can receive: in both roles the same
	wideEvents   = 110                          // telephone-event at 48 kHz, as browsers offer it
	narrowEvents = 126                          // at 8 kHz
)

// encoding is the codec as an a=rtpmap spells it (RFC 8866, 6.6).
func encoding(c media.Codec) string {
	if c == media.Opus {
		return "opus/48000/2"
	}
	return string(c) + "/8000"
}

func format(c media.Codec) string {
	if c == media.Opus {
		return opusFormat
	}
	return ""
}

// encodings maps the line's formats to what they are; those that are not told are left out.
func encodings(m *sdp.MediaDescription) map[string]string {
	out := make(map[string]string)
	for c, pt := range payloads {
		if pt < 96 {
			out[strconv.Itoa(int(pt))] = encoding(c)
		}
	}
	for _, a := range m.Attributes {
		if a.Key == "rtpmap" {
			pt, name, _ := strings.Cut(a.Value, " ")
			out[pt] = strings.TrimSuffix(strings.TrimSpace(name), "/1") // one channel is what is meant without a number
		}
	}
	return out
}

// pick chooses the one codec of an audio line: Opus if it is there, else the first that is spoken; if only are given,
// of those. With it goes telephone-event, if it is there at the same clock.
func pick(m *sdp.MediaDescription, only ...media.Codec) (Audio, bool) {
	names, codecs := encodings(m), spoken
	if len(only) > 0 {
		codecs = only
	}
	var a Audio
	found := false
	for _, f := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(codecs, func(c media.Codec) bool { return strings.EqualFold(names[f], encoding(c)) })
		if i < 0 || found && codecs[i] != media.Opus {
			continue
		}
		a, found = Audio{Codec: codecs[i], PT: uint8(pt)}, true
		if a.Codec == media.Opus {
			break
		}
	}
	if !found {
		return Audio{}, false
	}
	want := fmt.Sprintf("%s/%d", events, a.Codec.Clock())
	for _, f := range m.MediaName.Formats {
		if pt, err := strconv.ParseUint(f, 10, 7); err == nil && uint8(pt) != a.PT && strings.EqualFold(names[f], want) {
			a.Events = uint8(pt)
			break
		}
	}
	return a, true
}

// parameters are the codec, as pion describes it.
func parameters(c media.Codec) webrtc.RTPCodecParameters {
	p := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "audio/" + string(c), ClockRate: uint32(c.Clock()), SDPFmtpLine: format(c),
		},
		PayloadType: webrtc.PayloadType(payloads[c]),
	}
	if c == media.Opus {
		p.Channels = 2
	}
	return p
}

// register makes the codecs known, in this order, and telephone-event at their clocks.
func register(m *webrtc.MediaEngine, codecs []media.Codec) error {
	clocks := map[int]uint8{media.Opus.Clock(): wideEvents, media.PCMU.Clock(): narrowEvents}
	var all []webrtc.RTPCodecParameters
	for _, c := range codecs {
		all = append(all, parameters(c))
	}
	for _, c := range codecs {
		pt, ok := clocks[c.Clock()]
		if !ok {
			continue
		}
		delete(clocks, c.Clock())
		all = append(all, webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: "audio/" + events, ClockRate: uint32(c.Clock()), SDPFmtpLine: eventsFormat,
			},
			PayloadType: webrtc.PayloadType(pt),
		})
	}
	for _, p := range all {
		if err := m.RegisterCodec(p, webrtc.RTPCodecTypeAudio); err != nil {
			return fmt.Errorf("register %s: %w", p.MimeType, err)
		}
	}
	return nil
}

// offerable makes sure that a caller can offer these codecs, each once; none means all.
func offerable(codecs []media.Codec) ([]media.Codec, error) {
	if len(codecs) == 0 {
		return spoken, nil
	}
	for i, c := range codecs {
		if !slices.Contains(spoken, c) || slices.Contains(codecs[:i], c) {
			return nil, fmt.Errorf("offer codec %q: give each of %v at most once", c, spoken)
		}
	}
	return codecs, nil
}
