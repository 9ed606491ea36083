package line

import (
	"testing"
	"time"

	"parley/media"
	"parley/media/codec"
)

const events = 101

// keypad writes the packets of a sender that presses keys between frames of sound.
type keypad struct {
	in   []media.Packet
	tone []media.Packet
	at   time.Duration
	seq  uint16
}

func newKeypad(t *testing.T) *keypad {
	return &keypad{tone: packets(t, 100, 20*ms, codec.EncoderOptions{}), at: time.Second}
}

func (k *keypad) packet(stamp time.Duration, pt uint8, payload []byte) {
	k.in = append(k.in, media.Packet{At: k.at, Seq: k.seq, Time: uint32(stamp.Microseconds() * 48 / 1000), PT: pt, Payload: payload})
	k.seq++
}

// talk is n frames of sound.
func (k *keypad) talk(n int) *keypad {
	for range n {
		k.packet(k.at, 111, k.tone[int(k.seq)%len(k.tone)].Payload)
		k.at += 20 * ms
	}
	return k
}

// press holds a key for n times 20 ms and reports it in each, then three times at its end. A long press is told in segments.
func (k *keypad) press(code byte, n int) *keypad {
	stamp := k.at
	for i := range n + 2 {
		units, end := uint32(min(i+1, n)*960), byte(0)
		if i >= n-1 {
			end = 0x80
		}
		begun := stamp
		for ; units > segment; units -= segment {
			begun += segment * time.Second / 48000
		}
		k.packet(begun+time.Microsecond, events, []byte{code, end | 10, byte(units >> 8), byte(units)})
		if i < n {
			k.at += 20 * ms
		}
	}
	return k
}

// lose takes the last packets from to to away, counted from the end.
func (k *keypad) lose(from, to int) *keypad {
	n := len(k.in)
	k.in = append(k.in[:n-from], k.in[n-to:]...)
	return k
}

// again repeats the packet n before the last.
func (k *keypad) again(n int) *keypad {
	p := k.in[len(k.in)-1-n]
	p.At = k.at
	k.in = append(k.in, p)
	return k
}

// restart lets the sender's numbers and time begin elsewhere.
func (k *keypad) restart() *keypad {
	for i := range k.in {
		k.in[i].Time += 1 << 30
		k.in[i].Seq += 20000
	}
	return k
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name string
		pad  *keypad
		keys string
		lost uint64
	}{
		{"one press, three ends", newKeypad(t).talk(50).press(5, 8).talk(50), "5", 0},
		{"every key", newKeypad(t).talk(10).press(0, 5).press(9, 5).press(10, 5).press(11, 5).press(12, 5).press(15, 5).talk(10), "09*#AD", 0},
		{"a key twice", newKeypad(t).talk(10).press(1, 5).talk(5).press(1, 5).talk(10), "11", 0},
		{"a key twice without sound between", newKeypad(t).talk(10).press(1, 5).press(1, 5).talk(10), "11", 0},
		{"the beginning lost", newKeypad(t).talk(10).press(7, 8).lose(10, 3).talk(10), "7", 7},
		{"the end lost", newKeypad(t).talk(10).press(7, 8).lose(3, 0).press(7, 8).talk(10), "77", 3},
		{"all but one lost", newKeypad(t).talk(10).press(7, 8).lose(10, 5).lose(4, 0).talk(10), "7", 9},
		{"a long press", newKeypad(t).talk(10).press(3, 200).talk(10), "3", 0},
		{"a long press that loses the turn of a segment", newKeypad(t).talk(10).press(3, 200).lose(140, 130).talk(10), "3", 10},
		{"another key after a long press", newKeypad(t).talk(10).press(3, 200).press(3, 9).talk(10), "33", 0},
		{"a packet comes again after the next press", newKeypad(t).talk(10).press(2, 5).press(4, 5).again(9).again(2).talk(10), "24", 0},
		{"no key", newKeypad(t).talk(10).press(16, 5).press(66, 5).talk(10), "", 0},
		{"before any sound", newKeypad(t).press(2, 5).talk(10), "2", 0},
		{"after a restart behind", func() *keypad {
			k := newKeypad(t).talk(10).press(2, 5).talk(5).restart().talk(100)
			return k.press(2, 5).talk(100)
		}(), "22", 0},
		{"half a payload", func() *keypad {
			k := newKeypad(t).talk(10)
			k.packet(k.at, events, []byte{1, 2, 3})
			k.packet(k.at, events, nil)
			return k.talk(10)
		}(), "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			up, err := NewUp(UpOptions{Rate: media.ListenRate, Events: events, Digit: func(at time.Duration, key rune) {
				if at < time.Second {
					t.Errorf("%c pressed at %v", key, at)
				}
				got += string(key)
			}})
			if err != nil {
				t.Fatal(err)
			}
			frames, st := listenTo(t, up, c.pad.in)
			if got != c.keys || st.Keys != uint64(len(c.keys)) {
				t.Errorf("keys %q, want %q; %d counted", got, c.keys, st.Keys)
			}
			if st.Lost != c.lost || st.Late != 0 || st.Concealed+st.Silenced > time.Duration(c.lost)*20*ms || c.lost == 0 && st.Patched > 0 {
				t.Errorf("a press counts as loss: %+v", st)
			}
			first := c.pad.in[0].At
			for _, p := range c.pad.in {
				if p.PT != events {
					first = p.At
					break
				}
			}
			if want := int((c.pad.at - first) / (20 * ms)); len(frames) < want-1 || len(frames) > want+1 {
				t.Errorf("%d frames, want %d", len(frames), want)
			}
		})
	}
}

// Without a payload type for them, such packets are sound that cannot be decoded, and nobody who does not ask is told.
func TestKeysNotAskedFor(t *testing.T) {
	pad := newKeypad(t).talk(10).press(5, 8).talk(10)
	up, err := NewUp(UpOptions{Rate: media.ListenRate, Events: events})
	if err != nil {
		t.Fatal(err)
	}
	if _, st := listenTo(t, up, pad.in); st.Keys != 1 || st.Patched > 0 {
		t.Errorf("%+v", st)
	}
}

// Whatever the packets of an event say, a press is one key, told once for its timestamp within two seconds.
func FuzzKeys(f *testing.F) {
	f.Add([]byte{5, 10, 0, 160, 1, 5, 0x8a, 3, 20, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		told := 0
		k := keys{digit: func(time.Duration, rune) { told++ }}
		stamps := map[uint32]bool{}
		for n := 0; len(data) >= 5 && n < 100; data, n = data[5:], n+1 {
			p := media.Packet{At: time.Duration(n) * 20 * ms, Time: uint32(data[4]) * segment / 3, Payload: data[:4]}
			stamps[p.Time] = true
			before := told
			if k.hear(p) != (told > before) {
				t.Fatal("told and not reported, or the reverse")
			}
			if data[0] > 15 && told > before {
				t.Fatalf("event %d is no key", data[0])
			}
		}
		if told > len(stamps) {
			t.Fatalf("%d keys from %d presses", told, len(stamps))
		}
	})
}
