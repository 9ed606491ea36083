package rtc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
)

// fragment is a part of a peer's description that comes by itself (RFC 8840, 9): candidates, or the credentials of
// a new ICE session and its candidates.
type fragment struct {
	ice        credentials
	mids       []string // of the lines that it names
	candidates []string // as ice.UnmarshalCandidate takes them
	end        bool     // no further candidates will come
}

// parseFragment reads a fragment. What it does not know it passes over, as RFC 8840 has it.
func parseFragment(s string) (fragment, error) {
	if len(s) > maxDescription {
		return fragment{}, fmt.Errorf("the fragment has more than %d bytes", maxDescription)
	}
	var f fragment
	lines, named := 0, 0
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if strings.ContainsFunc(line, unicode.IsControl) {
			return fragment{}, errors.New("the fragment has control characters")
		}
		kind, value, _ := strings.Cut(line, "=")
		switch kind {
		case "m":
			if lines++; lines > maxLines {
				return fragment{}, fmt.Errorf("the fragment has more than %d media lines", maxLines)
			}
		case "a":
			if err := f.attribute(value); err != nil {
				return fragment{}, err
			}
		default:
			return fragment{}, errors.New("the fragment has a line that is neither a= nor m=")
		}
		if named = len(f.mids); named > lines {
			return fragment{}, errors.New("the fragment has more a=mid than m= lines")
		}
	}
	if named < lines {
		return fragment{}, errors.New("the fragment has a media line without a=mid")
	}
	if (f.ice.ufrag == "") != (f.ice.pwd == "") {
		return fragment{}, errors.New("the fragment has only one of a=ice-ufrag and a=ice-pwd")
	}
	return f, nil
}

func (f *fragment) attribute(a string) error {
	key, value, _ := strings.Cut(a, ":")
	switch key {
	case "ice-ufrag":
		return same(&f.ice.ufrag, value)
	case "ice-pwd":
		return same(&f.ice.pwd, value)
	case "mid":
		f.mids = append(f.mids, value)
	case "end-of-candidates":
		f.end = true
	case "candidate":
		return f.candidate(value)
	}
	return nil
}

// same sets what may be told once for all lines or for each.
func same(to *string, value string) error {
	if *to != "" && *to != value {
		return errors.New("the fragment is of two ICE sessions: bundle all lines")
	}
	if len(value) < 4 || len(value) > 256 || strings.ContainsAny(value, " \t") { // RFC 8839, 5.4
		return errors.New("the fragment's ICE credentials are not 4 to 256 characters")
	}
	*to = value
	return nil
}

// candidate takes a candidate. The ICE session it says it is of is left out: that is the fragment's.
func (f *fragment) candidate(value string) error {
	if len(f.candidates) == maxCandidates {
		return fmt.Errorf("the fragment has more than %d candidates", maxCandidates)
	}
	fields := strings.Fields(value)
	if i := slices.Index(fields, "ufrag"); i >= 8 && i+1 < len(fields) {
		fields = slices.Delete(fields, i, i+2)
	}
	value = strings.Join(fields, " ")
	_, err := ice.UnmarshalCandidate(value)
	switch {
	case errors.Is(err, ice.ErrUnknownCandidateTyp) || errors.Is(err, ice.ErrDetermineNetworkType):
		return nil // of a kind that we do not know
	case err != nil:
		return fmt.Errorf("the fragment's candidate %.80q cannot be read: %w", value, err)
	}
	f.candidates = append(f.candidates, value)
	return nil
}

// fragmentOf is the fragment that tells of the ICE session of a whole description.
func fragmentOf(description string) (string, error) {
	d, err := parse(description)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s%s\r\n", key, value) }
	if group, ok := d.Attribute("group"); ok {
		line("a=group:", group)
	}
	for _, m := range d.MediaDescriptions {
		ufrag, ok := attribute(d, m, "ice-ufrag")
		if !ok || m.MediaName.Port.Value == 0 {
			continue
		}
		pwd, _ := attribute(d, m, "ice-pwd")
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		line("m=", m.MediaName.String())
		line("a=mid:", mid)
		line("a=ice-ufrag:", ufrag)
		line("a=ice-pwd:", pwd)
		break // all lines are one ICE session
	}
	for _, m := range d.MediaDescriptions {
		for _, a := range m.Attributes {
			if a.IsICECandidate() {
				line("a=", a.String())
			}
		}
	}
	line("a=end-of-candidates", "")
	return b.String(), nil
}
