package rtc

import (
	"bytes"
	"testing"
	"time"

	"parley/media"
)

func TestCall(t *testing.T) {
	e := loopback(t, Timeouts{})
	start := time.Now()
	in, out := pair(t, e, e)
	t.Logf("connected after %v", time.Since(start))
	heard, said := in.Up().Tap(100, media.DropNewest), out.Down().Tap(100, media.DropNewest)
	first := media.Packet{Seq: 65530, Time: 1 << 31, Marker: true, Payload: []byte{0xfc, 1, 2, 3}}
	stop := make(chan struct{})
	go feed(out.Call, first, stop)
	var received []media.Packet
	i := 0
	for _, p := range heard.All(t.Context()) {
		if want := first.Seq + uint16(i); p.Seq != want || p.Time != first.Time+uint32(i*960) || p.Marker != (i == 0) {
			t.Fatalf("packet %d: %+v", i, p)
		}
		if !bytes.Equal(p.Payload, first.Payload) || p.PT != 111 || p.Level != -1 || p.At <= 0 {
			t.Fatalf("packet %d: %+v", i, p)
		}
		received = append(received, p)
		if i++; i == 20 {
			break
		}
	}
	for _, sent := range said.All(t.Context()) {
		p := received[0]
		if sent.SSRC != p.SSRC || sent.Seq != p.Seq || sent.PT != p.PT || sent.At <= 0 {
			t.Fatalf("sent %+v, received %+v", sent, p)
		}
		if received = received[1:]; len(received) == 0 {
			break
		}
	}
	close(stop)
	if !out.Post([]byte(`{"type":"text"}`)) {
		t.Fatal("not posted")
	}
	for m := range in.Messages()(t.Context()) {
		if string(m) != `{"type":"text"}` {
			t.Fatalf("message %q", m)
		}
		break
	}
	out.Close()
	wantErr(t, out.why(t), ErrHangup)
	wantErr(t, in.why(t), ErrHangup)
}
