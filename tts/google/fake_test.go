package google

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "cloud.google.com/go/texttospeech/apiv1/texttospeechpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"parley/internal/provider"
	"parley/internal/provider/google/googletest"
	"parley/media"
	"parley/tts"
)

var own *googletest.Own

func TestMain(m *testing.M) {
	var err error
	if own, err = googletest.New(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// sound is what the servers of these tests make of a text: 10 ms a byte, the samples count it.
func sound(text string, rate int) []byte {
	var b []byte
	for i := range len(text) {
		for n := range rate / 100 {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(int(text[i])*100*(1-2*(n/8%2)))))
		}
	}
	return b
}

func samples(b []byte) (pcm []int16) {
	for ; len(b) >= 2; b = b[2:] {
		pcm = append(pcm, int16(binary.LittleEndian.Uint16(b)))
	}
	return pcm
}

// file is a WAV file with a foreign chunk.
func file(rate int, data []byte, size uint32) []byte {
	var b bytes.Buffer
	le := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("RIFF")
	le(uint32(36 + len(data)))
	b.WriteString("WAVELIST")
	le(uint32(3))
	b.WriteString("abc\x00fmt ")
	le(uint32(16))
	le([]uint16{1, 1})
	le([]uint32{uint32(rate), uint32(2 * rate)})
	le([]uint16{2, 16})
	b.WriteString("data")
	le(size)
	b.Write(data)
	return b.Bytes()
}

// plan is what a server does with one request or stream.
type plan struct {
	refuse error
	size   int // bytes of audio a message; 0 is 3200
	empty  bool
	first  int // bytes of audio before err
	err    error
	hang   bool // after first bytes, or all
	late   time.Duration
	raw    []byte // instead of a WAV file
}

// asked is what a server was asked.
type asked struct {
	texts  []string
	ssml   bool
	stream bool
	rate   int
	voice  *pb.VoiceSelectionParams
	speed  float64
}

// fake is a server.
type fake struct {
	pb.UnimplementedTextToSpeechServer
	plans func(n int) plan
	idle  time.Duration // of a stream without text; 0 is 5 s

	mu     sync.Mutex
	asked  []*asked
	header []string
	addr   string
	conns  *atomic.Int32
	busy   int // requests under way
}

func (f *fake) begin(ctx context.Context, a *asked) plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	f.header = append(f.header, md.Get("authorization")...)
	f.asked = append(f.asked, a)
	p := plan{}
	if f.plans != nil {
		p = f.plans(len(f.asked) - 1)
	}
	if p.size == 0 {
		p.size = 3200
	}
	return p
}

func (f *fake) SynthesizeSpeech(ctx context.Context, r *pb.SynthesizeSpeechRequest) (*pb.SynthesizeSpeechResponse, error) {
	defer f.enter()()
	text := r.GetInput().GetText() + r.GetInput().GetSsml()
	a := &asked{texts: []string{text}, ssml: r.GetInput().GetSsml() != "", rate: int(r.GetAudioConfig().GetSampleRateHertz()),
		voice: r.GetVoice(), speed: r.GetAudioConfig().GetSpeakingRate()}
	p := f.begin(ctx, a)
	switch {
	case p.refuse != nil:
		return nil, p.refuse
	case len(text) > 5000 || text == "":
		return nil, status.Error(codes.InvalidArgument, "5000 bytes at most")
	case r.GetAudioConfig().GetAudioEncoding() != pb.AudioEncoding_LINEAR16:
		return nil, status.Error(codes.InvalidArgument, "encoding")
	case p.hang:
		<-ctx.Done()
		return nil, ctx.Err()
	case p.empty:
		return &pb.SynthesizeSpeechResponse{}, nil
	case p.raw != nil:
		return &pb.SynthesizeSpeechResponse{AudioContent: p.raw}, nil
	}
	data := sound(text, a.rate)
	return &pb.SynthesizeSpeechResponse{AudioContent: file(a.rate, data, uint32(len(data)))}, nil
}

func (f *fake) StreamingSynthesize(st pb.TextToSpeech_StreamingSynthesizeServer) error {
	defer f.enter()()
	m, err := st.Recv()
	if err != nil {
		return err
	}
	conf := m.GetStreamingConfig()
	if conf == nil || conf.GetStreamingAudioConfig().GetAudioEncoding() != pb.AudioEncoding_PCM {
		return status.Error(codes.InvalidArgument, "the first message must be a configuration")
	}
	a := &asked{stream: true, voice: conf.GetVoice(), rate: int(conf.GetStreamingAudioConfig().GetSampleRateHertz()),
		speed: conf.GetStreamingAudioConfig().GetSpeakingRate()}
	p := f.begin(st.Context(), a)
	if p.refuse != nil {
		return p.refuse
	}
	time.Sleep(p.late)
	return f.speak(st, a, p)
}

// speak reads texts and says each when it has come.
func (f *fake) speak(st pb.TextToSpeech_StreamingSynthesizeServer, a *asked, p plan) error {
	type in struct {
		m   *pb.StreamingSynthesizeRequest
		err error
	}
	texts := make(chan in)
	go func() { // ends with the stream
		for {
			m, err := st.Recv()
			select {
			case texts <- in{m, err}:
			case <-st.Context().Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	idle := f.idle
	if idle == 0 {
		idle = 5 * time.Second
	}
	for {
		var i in
		select {
		case i = <-texts:
		case <-time.After(idle):
			return status.Error(codes.Aborted, "Stream aborted due to long duration elapsed without input sent.")
		case <-st.Context().Done():
			return st.Context().Err()
		}
		if i.err == io.EOF {
			if p.hang {
				<-st.Context().Done()
			}
			return nil
		}
		if i.err != nil {
			return i.err
		}
		text := i.m.GetInput().GetText()
		if text == "" || len(text) > 5000 {
			return status.Error(codes.InvalidArgument, "text from 1 to 5000 bytes, after the configuration")
		}
		f.mu.Lock()
		a.texts = append(a.texts, text)
		f.mu.Unlock()
		if err := f.sound(st, sound(text, a.rate), p); err != nil {
			return err
		}
	}
}

func (f *fake) sound(st pb.TextToSpeech_StreamingSynthesizeServer, data []byte, p plan) error {
	if p.empty {
		return st.Send(&pb.StreamingSynthesizeResponse{})
	}
	for n := 0; n < len(data); n += p.size {
		if (p.err != nil || p.hang) && n >= p.first {
			if p.hang {
				<-st.Context().Done()
			}
			return p.err
		}
		if err := st.Send(&pb.StreamingSynthesizeResponse{AudioContent: data[n:min(n+p.size, len(data))]}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) start(t testing.TB, opts ...grpc.ServerOption) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, f.conns = googletest.Counted(l)
	srv := grpc.NewServer(opts...)
	pb.RegisterTextToSpeechServer(srv, f)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	f.addr = l.Addr().String()
	t.Cleanup(func() {
		srv.Stop()
		<-served
		f.idleness(t)
	})
}

func (f *fake) client(t testing.TB, o Options) *Voice {
	t.Helper()
	if f.addr == "" {
		f.start(t)
	}
	if o.Endpoint == "" {
		o.Endpoint = "http://" + f.addr
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// said is the samples of a call, and what it ended with.
func said(t testing.TB, v *Voice, phrases ...string) (pcm []int16, err error) {
	t.Helper()
	return listen(t, v.Speak(t.Context(), media.Of(phrases...)))
}

func listen(t testing.TB, speech func(yield func(tts.Audio, error) bool)) (pcm []int16, err error) {
	t.Helper()
	for a, err := range speech {
		if err != nil {
			own.Safe(t, err)
			return pcm, err
		}
		if a.At != media.Samples(len(pcm), a.Rate) || a.Duration() > frame {
			t.Errorf("a frame of %v at %v after %d samples", a.Duration(), a.At, len(pcm))
		}
		pcm = append(pcm, a.PCM...)
	}
	return pcm, nil
}

// newSpeech is a call whose audio nobody keeps.
func newSpeech(t testing.TB, v *Voice) *speech {
	_, watch := provider.NewWatch(t.Context(), 0)
	t.Cleanup(watch.Stop)
	return &speech{v: v, watch: watch, yield: func(tts.Audio, error) bool { return true }}
}

// enter counts a request; what it returns, its end.
func (f *fake) enter() (leave func()) {
	count := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy += n
	}
	count(1)
	return func() { count(-1) }
}

// idleness waits until nothing is under way at the server.
func (f *fake) idleness(t testing.TB) {
	t.Helper()
	for range 5000 {
		f.mu.Lock()
		n := f.busy
		f.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the server is still busy")
}

// count is how many requests there were.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}
