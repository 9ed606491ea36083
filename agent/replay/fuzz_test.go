package replay

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"parley/media/record"
)

// FuzzRead reads lines of a log that anybody may have written. Each begins with a byte that says what sort of entry it is and how much
// later it came.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`a{"kind":"took","took":{"kind":"begun"}}
b{"kind":"step","step":{"in":{"kind":"said"},"out":[{"kind":"say","turn":1,"text":"Hi there","reason":"of its own"}]}}
c{"kind":"ask","turn":1,"asked":{"reply":1,"text":"Hi there"}}
d{"kind":"took","took":{"kind":"sounded","reply":1,"long":900000000,"words":[{"Text":"Hi","Start":0,"End":400000000}]}}
e{"kind":"step","step":{"in":{"kind":"began","turn":1}}}
f{"kind":"step","step":{"in":{"kind":"score","at":300000000,"voice":0.9},"out":[{"kind":"hold","turn":1,"reason":"a voice"}]}}
g{"kind":"step","step":{"in":{"kind":"score","at":340000000,"voice":0.9,"loud":330000000}}}
h{"kind":"step","step":{"in":{"kind":"final","start":1,"at":400000000,"text":"Wait a moment."}}}
i{"kind":"took","took":{"kind":"heard","reply":1,"long":400000000}}
j{"kind":"step","step":{"in":{"kind":"tick"},"out":[{"kind":"interrupt","turn":1,"reason":"words"},{"kind":"commit","turn":2,"text":"Wait a moment."}]}}
k{"kind":"user","turn":1,"final":true}
l{"kind":"agent","turn":1,"said":{"Heard":"Hi","Interrupted":true}}
m{"kind":"trouble","code":"llm","text":"It failed."}
n{"kind":"end","text":"the caller hung up"}
`))
	f.Add([]byte("1{\"engine\":\"stt\",\"result\":{\"text\":\"Hi\",\"words\":[{\"text\":\"Hi\",\"start\":-5,\"end\":9223372036854775807}]}}\n2\n3\n4\nzzz"))
	f.Add([]byte(`z{"kind":"step","step":{"in":{"kind":"score","at":-9223372036854775808,"voice":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{c: &Conversation{Length: time.Minute}}
		now := time.Duration(0)
		for i, raw := range bytes.Split(data, []byte("\n")) {
			if len(raw) == 0 {
				continue
			}
			now += time.Duration(raw[0]%16) * 200 * time.Millisecond
			if raw[0] == 0xff {
				now = time.Duration(1<<63 - 1)
			}
			e := record.Entry{Kind: record.Line, Seq: uint64(i + 1), Now: now, Raw: raw[1:]}
			switch raw[0] {
			case '1':
				e.Kind = record.Tape
			case '2':
				e.Kind = record.Pause
			case '3':
				e.Kind = record.Resume
			case '4':
				e.Kind, e.Of, e.Name = record.Gap, record.Line, "lost"
			case '5':
				r.damage(&record.Damage{File: "log", Reason: "torn"})
			}
			r.take(e)
		}
		r.finish()
		r.c.Turns = turns(r.c, r.heard)
		_ = r.err()
		var b strings.Builder
		if err := r.c.WebVTT(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := parseVTT(b.String()); err != nil {
			t.Errorf("%v in\n%s", err, b.String())
		}
		if c := Compare(r.c, r.c, Policy{}); !c.Equal() {
			t.Errorf("it differs from itself: %+v", c.Divergences)
		}
	})
}
