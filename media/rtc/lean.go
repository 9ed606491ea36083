package rtc

import "github.com/pion/interceptor"

// lean makes interceptors whose reading allocates nothing a packet. Left alone, pion's receiver reports
// make a map and a header for each; here each stream has one of both, which its one reader fills again.
type lean struct{ interceptor.Factory }

// NewInterceptor implements interceptor.Factory.
func (l lean) NewInterceptor(id string) (interceptor.Interceptor, error) {
	i, err := l.Factory.NewInterceptor(id)
	return leanStreams{i}, err
}

type leanStreams struct{ interceptor.Interceptor }

// BindRemoteStream implements interceptor.Interceptor. The attributes that a read returns are good until the
// next read.
func (l leanStreams) BindRemoteStream(info *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	attributes := make(interceptor.Attributes)
	blank := [12]byte{} // an RTP header of zeros: the way to have the attributes hold a header
	header, err := attributes.GetRTPHeader(blank[:])
	if err != nil {
		return l.Interceptor.BindRemoteStream(info, r) // it allocates, and works
	}
	read := func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, _, err := r.Read(b, a)
		if err != nil {
			return 0, nil, err
		}
		if _, err := header.Unmarshal(b[:n]); err != nil {
			return 0, nil, err
		}
		return n, attributes, nil
	}
	return l.Interceptor.BindRemoteStream(info, interceptor.RTPReaderFunc(read))
}
