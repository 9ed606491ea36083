package rtc

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"

	"parley/media"
)

// only is the controls of an RTCP packet type: sender reports and receiver reports are sent and read by goroutines of their own.
func only(pt byte, all []media.Control) (out []media.Control) {
	for _, c := range all {
		if c.Raw[1] == pt {
			out = append(out, c)
		}
	}
	return out
}

// told takes controls from a tap until there are n of each direction.
func told(t *testing.T, tap *media.Tap[media.Control], n int) (up, own []media.Control) {
	t.Helper()
	last := time.Duration(0)
	for _, c := range tap.All(t.Context()) {
		if c.At < last {
			t.Errorf("%v after %v", c.At, last)
		}
		last = c.At
		packets, err := rtcp.Unmarshal(c.Raw)
		if err != nil || len(packets) != 1 {
			t.Fatalf("%+v is not one packet of RTCP: %v", c, err)
		}
		if c.Up {
			up = append(up, c)
		} else {
			own = append(own, c)
		}
		if len(up) >= n && len(own) >= n {
			return up, own
		}
	}
	t.Fatal("the call is over")
	return nil, nil
}

// TestControls: a tap has the RTCP of both sides, each packet once: what one side tells of sending is what the other tells of
// arriving. Sender reports name the session clock.
func TestControls(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	in, out := pair(t, e, e)
	stop := make(chan struct{})
	defer close(stop)
	here, there := in.Controls().Tap(100, media.DropNewest), out.Controls().Tap(100, media.DropNewest)
	go feed(in.Call, media.Packet{Time: 77, Payload: []byte{0xfc, 0}}, stop)
	go feed(out.Call, media.Packet{Time: 99, Payload: []byte{0xfc, 0}}, stop)
	const n = 6 // three seconds'
	up, own := told(t, here, n)
	theirUp, theirOwn := told(t, there, n)
	for _, pt := range []byte{byte(rtcp.TypeSenderReport), byte(rtcp.TypeReceiverReport)} {
		for _, c := range [][2][]media.Control{{own, theirUp}, {theirOwn, up}} {
			sent, came := only(pt, c[0]), only(pt, c[1])
			if len(sent) < 2 || len(came) < 2 {
				t.Errorf("%d packets of type %d sent, %d came", len(sent), pt, len(came))
			}
			for i := range min(len(sent), len(came)) {
				if !bytes.Equal(sent[i].Raw, came[i].Raw) {
					t.Errorf("number %d was sent as %x and came as %x", i, sent[i].Raw, came[i].Raw)
				}
			}
		}
	}
	for _, c := range only(byte(rtcp.TypeSenderReport), own) {
		var p rtcp.SenderReport
		if err := p.Unmarshal(c.Raw); err != nil {
			t.Fatal(err)
		}
		const epoch = 2208988800
		wall := time.Unix(int64(p.NTPTime>>32)-epoch, int64(p.NTPTime&0xffffffff)*int64(time.Second)>>32)
		if d := wall.Sub(in.Start()) - c.At; d.Abs() > 50*time.Millisecond {
			t.Errorf("a report of %v on the session clock was sent at %v", wall.Sub(in.Start()), c.At)
		}
		if p.SSRC != in.out.wire.Load().ssrc || p.PacketCount == 0 {
			t.Errorf("%+v", p)
		}
	}
	eventually(t, "round trip", func() bool { s := in.Stats(); return s.RTT > 0 && s.RTT < time.Second })
}

// Only what was sent is told, and a tap that nobody reads holds nothing up.
func TestControlsNotSent(t *testing.T) {
	c := &Call{start: time.Now()}
	tap := c.controls.Tap(1, media.DropNewest)
	i, err := ownControls{c}.NewInterceptor("")
	if err != nil {
		t.Fatal(err)
	}
	var sent int
	var fails error
	w := i.BindRTCPWriter(interceptor.RTCPWriterFunc(func([]rtcp.Packet, interceptor.Attributes) (int, error) { return sent, fails }))
	report := []rtcp.Packet{&rtcp.ReceiverReport{SSRC: 7}}
	for _, try := range []struct {
		n    int
		err  error
		told bool
	}{{0, nil, false}, {0, errors.New("no keys yet"), false}, {8, nil, true}} {
		sent, fails = try.n, try.err
		if n, err := w.Write(report, nil); n != try.n || !errors.Is(err, try.err) {
			t.Errorf("wrote %d, %v", n, err)
		}
		if got, ok, _ := tap.Next(); ok != try.told || ok && (got.Up || len(got.Raw) != 8) {
			t.Errorf("told %+v after %+v", got, try)
		}
	}
	for range 3 {
		if _, err := w.Write(report, nil); err != nil {
			t.Error(err)
		}
	}
	if tap.Dropped() != 2 {
		t.Errorf("%d dropped", tap.Dropped())
	}
}

// BenchmarkControls is what a report costs beyond its sending, with nobody to be told.
func BenchmarkControls(b *testing.B) {
	c := &Call{start: time.Now()}
	i, err := ownControls{c}.NewInterceptor("")
	if err != nil {
		b.Fatal(err)
	}
	w := i.BindRTCPWriter(interceptor.RTCPWriterFunc(func([]rtcp.Packet, interceptor.Attributes) (int, error) { return 8, nil }))
	report := []rtcp.Packet{&rtcp.ReceiverReport{SSRC: 7, Reports: make([]rtcp.ReceptionReport, 1)}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(report, nil)
	}
}
