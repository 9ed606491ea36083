package codec

import "testing"

func TestParseEvent(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want Event // not looked at if bad
		bad  bool
	}{
		{name: "a key goes down", in: []byte{5, 10, 0, 160}, want: Event{Code: 5, Volume: 10, Duration: 160}},
		{name: "and up", in: []byte{5, 0x8a, 3, 0x20}, want: Event{Code: 5, End: true, Volume: 10, Duration: 800}},
		{name: "the reserved bit is not part of the volume", in: []byte{11, 0x7f, 0xff, 0xff}, want: Event{Code: 11, Volume: 63, Duration: 65535}},
		{name: "another signal", in: []byte{66, 0, 0, 1}, want: Event{Code: 66, Duration: 1}},
		{name: "a second report behind", in: []byte{1, 0, 0, 1, 2, 0, 0, 1}, want: Event{Code: 1, Duration: 1}},
		{name: "empty", bad: true},
		{name: "cut", in: []byte{5, 10, 0}, bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseEvent(c.in)
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	var got []rune
	for code := range 256 {
		if key, ok := (Event{Code: uint8(code)}).Key(); ok {
			got = append(got, key)
		} else if key != 0 {
			t.Errorf("event %d is no key, but %q", code, key)
		}
	}
	if string(got) != "0123456789*#ABCD" {
		t.Errorf("keys %q", string(got))
	}
}

// FuzzParseEvent: four bytes are enough and what they say comes back whole, but for the reserved bit.
func FuzzParseEvent(f *testing.F) {
	f.Add([]byte{5, 0x8a, 3, 0x20})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := ParseEvent(payload)
		if (err == nil) != (len(payload) >= 4) {
			t.Fatalf("%d bytes: %v", len(payload), err)
		}
		if err != nil {
			return
		}
		second := e.Volume
		if e.End {
			second |= 0x80
		}
		if e.Code != payload[0] || second != payload[1]&^0x40 || e.Duration != uint16(payload[2])<<8|uint16(payload[3]) {
			t.Fatalf("% x became %+v", payload, e)
		}
		if key, ok := e.Key(); ok != (e.Code < 16) || ok == (key == 0) {
			t.Fatalf("event %d: key %q, %v", e.Code, key, ok)
		}
	})
}
