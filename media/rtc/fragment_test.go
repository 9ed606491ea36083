package rtc

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const line1 = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"

func TestParseFragment(t *testing.T) {
	const ice = "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
	const host = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host"
	creds := credentials{"ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k"}
	for _, c := range []struct {
		name, text string
		want       fragment
		says       string // of the error
	}{
		{"trickle", ice + line1 + "a=" + host + "\r\n", fragment{ice: creds, mids: []string{"0"}, candidates: []string{strings.TrimPrefix(host, "candidate:")}}, ""},
		{"restart of RFC 9725", "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\n" + line1 + ice + "a=" + host + " generation 0 ufrag EsAw network-id 1\r\na=end-of-candidates\r\n",
			fragment{ice: creds, mids: []string{"0"}, candidates: []string{strings.TrimPrefix(host, "candidate:") + " generation 0 network-id 1"}, end: true}, ""},
		{"credentials twice", ice + line1 + ice, fragment{ice: creds, mids: []string{"0"}}, ""},
		{"end alone", line1 + "a=end-of-candidates\r\n", fragment{mids: []string{"0"}, end: true}, ""},
		{"newlines only", strings.ReplaceAll(ice+line1, "\r\n", "\n"), fragment{ice: creds, mids: []string{"0"}}, ""},
		{"empty", "", fragment{}, ""},
		{"a kind to come", line1 + "a=candidate:1 1 sctp 1 192.0.2.1 9 typ host\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ moon\r\n", fragment{mids: []string{"0"}}, ""},
		{"whole description", "v=0\r\n", fragment{}, "neither"},
		{"no mid", "m=audio 9 RTP/AVP 0\r\n", fragment{}, "without a=mid"},
		{"mid without line", "a=mid:0\r\n", fragment{}, "more a=mid"},
		{"two sessions", ice + line1 + "a=ice-ufrag:abcd\r\n", fragment{}, "two ICE sessions"},
		{"no password", "a=ice-ufrag:abcd\r\n", fragment{}, "only one"},
		{"short", "a=ice-ufrag:abc\r\n", fragment{}, "characters"},
		{"control characters", "a=ice-ufrag:ab\rcd\r\n", fragment{}, "control"},
		{"candidate", line1 + "a=candidate:x\r\n", fragment{}, "cannot be read"},
		{"candidates", line1 + strings.Repeat("a="+host+"\r\n", maxCandidates+1), fragment{}, "candidates"},
		{"lines", strings.Repeat(line1, maxLines+1), fragment{}, "media lines"},
		{"bytes", strings.Repeat("a=x\r\n", maxDescription/5+1), fragment{}, "bytes"},
	} {
		got, err := parseFragment(c.text)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v; want %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil || got.ice != c.want.ice || got.end != c.want.end || !slices.Equal(got.mids, c.want.mids) || !slices.Equal(got.candidates, c.want.candidates) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// TestTrickle has candidates come after the offer, before the answer and too late.
func TestTrickle(t *testing.T) {
	e := loopback(t, Timeouts{})
	out, offer, err := e.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, answer, err := e.Answer(t.Context(), bareCandidates(offer))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ours, theirs := tells(t, offer), tells(t, answer)
	if _, err := in.Patch(t.Context(), ours, false); err != nil {
		t.Error(err)
	}
	if _, err := out.Patch(t.Context(), theirs, false); err != nil { // it has no answer yet
		t.Error(err)
	}
	for _, c := range []struct {
		name, text string
		restart    bool
		want       error
	}{
		{"no fragment", "hello", false, ErrOffer},
		{"of the other side", strings.ReplaceAll(theirs, "a=mid:1", "a=mid:0"), false, ErrStale},
		{"unknown line", "m=audio 9 RTP/AVP 0\r\na=mid:77\r\n", false, ErrOffer},
		{"restart without credentials", "a=end-of-candidates\r\n", true, ErrOffer},
		{"restart with the old credentials", ours, true, ErrOffer},
		{"one more", ours, false, nil},
		{"many", "a=end-of-candidates\r\n" + many(maxCandidates), false, ErrHostile},
		{"no more", "a=end-of-candidates\r\n" + many(1), false, ErrHostile},
	} {
		if _, err := in.Patch(t.Context(), c.text, c.restart); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	a, o := run(t.Context(), in), run(t.Context(), out)
	if err := out.Accept(bareCandidates(answer)); err != nil {
		t.Fatal(err)
	}
	flowsWhenConnected(t, in, out)
	if _, err := out.Patch(t.Context(), ours, false); !errors.Is(err, ErrStale) {
		t.Errorf("of the other side: %v", err)
	}
	if _, err := out.Patch(t.Context(), theirs, true); err == nil {
		t.Error("the answering side restarted")
	}
	out.Close()
	_, _ = a.why(t), o.why(t)
	if _, err := in.Patch(t.Context(), ours, false); !errors.Is(err, ErrHangup) {
		t.Errorf("after the end: %v", err)
	}
}

func many(n int) string {
	return strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", n)
}

// tells is the fragment of a description.
func tells(t *testing.T, description string) string {
	t.Helper()
	s, err := fragmentOf(description)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func flowsWhenConnected(t *testing.T, in, out *Call) {
	t.Helper()
	connected(t, in, out)
	flows(t, in, out)
}

// TestRestartByFragment is the ICE restart of RFC 9725, 4.3.3.
func TestRestartByFragment(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	out, offer, err := e.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, answer, err := e.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	a, o := run(t.Context(), in), run(t.Context(), out)
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	flowsWhenConnected(t, in, out)
	for range 2 {
		tag := in.Tag()
		offer, err := out.Restart(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		old := tells(t, offer)
		said, err := in.Patch(t.Context(), old, true)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parseFragment(said)
		if err != nil || len(f.candidates) == 0 || !f.end || f.ice.ufrag != in.Tag() || in.Tag() == tag {
			t.Fatalf("%v of\n%s", err, said)
		}
		if answer, err = renewed(answer, f.ice); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Patch(t.Context(), said, false); err != nil { // early
			t.Fatal(err)
		}
		if err := out.Accept(answer); err != nil {
			t.Fatal(err)
		}
		flows(t, in, out)
	}
	out.Close()
	_, _ = a.why(t), o.why(t)
}
