package rtc

import (
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtp"
)

// TestLean: the reports see each packet's own header, and reading allocates nothing.
func TestLean(t *testing.T) {
	f, err := report.NewReceiverInterceptor()
	if err != nil {
		t.Fatal(err)
	}
	i, err := lean{f}.NewInterceptor("")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	raw := []byte{0x80, 111, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 9}
	r := i.BindRemoteStream(&interceptor.StreamInfo{SSRC: 3, ClockRate: 48000}, interceptor.RTPReaderFunc(
		func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
			raw[3]++
			return copy(b, raw), a, nil
		}))
	buf := make([]byte, 100)
	var h *rtp.Header
	allocs := allocations(func() {
		n, a, err := r.Read(buf, nil)
		if err != nil || n != len(raw) {
			t.Fatal(n, err)
		}
		if h, err = a.GetRTPHeader(buf[:n]); err != nil || h.SequenceNumber != uint16(raw[3]) || h.SSRC != 3 {
			t.Fatalf("%+v, %v", h, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	raw = raw[:5]
	if _, _, err := r.Read(buf, nil); err == nil {
		t.Error("read half a header")
	}
}
