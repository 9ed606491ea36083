package rtc

import (
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"

	"parley/media"
)

// controls relays RTCP in the order of its times.
type controls struct {
	media.Relay[media.Control]
	order sync.Mutex
}

// control relays a packet with the present time. Both readers and both writers of reports come here, often at once.
func (c *Call) control(up bool, raw []byte) {
	c.controls.order.Lock()
	defer c.controls.order.Unlock()
	c.controls.Send(media.Control{At: c.Now(), Up: up, Raw: raw})
}

// ownControls is an interceptor that tells a call's taps of the RTCP that it sends: reports once a second.
type ownControls struct{ call *Call }

// NewInterceptor implements interceptor.Factory.
func (o ownControls) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &ownWriter{call: o.call}, nil
}

type ownWriter struct {
	interceptor.NoOp
	call *Call
}

// BindRTCPWriter implements interceptor.Interceptor. What was not sent, because there is no connection yet, is not told.
func (o *ownWriter) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	return interceptor.RTCPWriterFunc(func(packets []rtcp.Packet, a interceptor.Attributes) (int, error) {
		n, err := w.Write(packets, a)
		if err != nil || n == 0 {
			return n, err
		}
		for _, p := range packets {
			if raw, err := p.Marshal(); err == nil { // it has just been done
				o.call.control(false, raw)
			}
		}
		return n, nil
	})
}
