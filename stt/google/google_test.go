package google

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	v1pb "cloud.google.com/go/speech/apiv1/speechpb"
	v2pb "cloud.google.com/go/speech/apiv2/speechpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

const ms = time.Millisecond

// What Google says when a stream was too long or too quiet.
var (
	longV1  = status.Error(codes.OutOfRange, "Exceeded maximum allowed stream duration of 305 seconds.")
	longV2  = status.Error(codes.Aborted, "Max duration of 5 minutes reached for stream.")
	quietV1 = status.Error(codes.OutOfRange, "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time.")
	quietV2 = status.Error(codes.Aborted, "Stream timed out after receiving no more client requests.")
	down    = status.Error(codes.Unavailable, "The service is currently unavailable.")
)

// both runs a test with each version of the service.
func both(t *testing.T, test func(t *testing.T, version int)) {
	for version := 1; version <= 2; version++ {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

// utterance is words, a short silence and a flush.
func say(from, to int) media.Source[stt.Audio] {
	return talk().hush(300*ms).say(from, to).hush(200 * ms).flush().source(0)
}

// only has the first streams go by these plans and all others well.
func only(plans ...plan) func(int) plan {
	return func(n int) plan {
		if n < len(plans) {
			return plans[n]
		}
		return plan{}
	}
}

// Interims come in pieces, which together are the text; a final replaces them.
func TestInterimsAreConcatenated(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 4}
		out := expect(t, f.client(t, Options{Version: version}), talk().say(1, 6).hush(100*ms).flush().source(4), spoken(1, 6))
		var partials []string
		for _, r := range out {
			if r.Kind == stt.Partial {
				partials = append(partials, r.Text)
			}
		}
		for i := 1; i <= 5; i++ {
			if !slices.Contains(partials, spoken(1, i)) {
				t.Errorf("no partial %q among %q", spoken(1, i), partials)
			}
		}
	})
}

// Voice activity has no text: an Onset, an Endpoint.
func TestVoiceActivity(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		out := expect(t, f.client(t, Options{Version: version}), talk().say(1, 3).hush(600*ms).flush().source(4), spoken(1, 3))
		if kinds(out, stt.Onset) != 1 || kinds(out, stt.Endpoint) != 1 {
			t.Errorf("results %+v", out)
		}
		for _, r := range out {
			if (r.Kind == stt.Onset || r.Kind == stt.Endpoint) && (r.Text != "" || r.Start < 9*time.Second || r.End > 12*time.Second) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// The stream is ended for its length: what was not settled is told the next one.
func TestTooLong(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 4, plans: only(plan{life: 1500 * ms, late: []error{longV1, longV2}[version-1]})}
		expect(t, f.client(t, Options{Version: version}), talk().say(1, 15).hush(200*ms).flush().source(4), spoken(1, 15))
		if n := f.count(); n != 2 {
			t.Errorf("%d streams", n)
		}
	})
}

// Nothing comes for long: the end of the stream is no failure, and the next voice has a new one.
func TestTooQuiet(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: only(plan{idle: 300 * ms, late: []error{quietV1, quietV2}[version-1]})}
		in := talk().say(1, 4).hush(700*ms).wait(800*ms).say(5, 8).hush(100 * ms).flush()
		expect(t, f.client(t, Options{Version: version}), in.source(8), spoken(1, 8))
		if n := f.count(); n != 2 {
			t.Errorf("%d streams", n)
		}
	})
}

func TestErrorInsideAMessage(t *testing.T) {
	f := &fake{plans: only(plan{first: []saying{{fault: status.New(codes.InvalidArgument, "bad encoding")}}})}
	fails(t, f.client(t, Options{}), say(1, 3), provider.ErrBadRequest, "bad encoding")
	f = &fake{plans: only(plan{first: []saying{{fault: status.New(codes.Unavailable, "come again")}}})}
	expect(t, f.client(t, Options{}), say(1, 3), spoken(1, 3))
}

// The provider wants no more on this stream: its last words are awaited, what came after has another.
func TestEndOfSingleUtterance(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: only(plan{enough: 3})}
		expect(t, f.client(t, Options{Version: version}), talk().say(1, 9).hush(200*ms).flush().source(4), spoken(1, 9))
	})
}

// The stream breaks in the middle of a sentence, after an interim and after a final.
func TestBreaksInMidSentence(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		for _, err := range []error{down, status.Error(codes.Internal, "oops"), status.Error(codes.Aborted, "a race was lost")} {
			for _, speed := range []float64{0, 4} {
				f := &fake{perText: 4, plans: only(plan{cut: 3, err: err}, plan{cut: 6, err: err})}
				expect(t, f.client(t, Options{Version: version}), talk().say(1, 15).hush(200*ms).flush().source(speed), spoken(1, 15))
				if n := f.count(); n != 3 {
					t.Errorf("%d streams", n)
				}
			}
		}
	})
}

func TestStaysBroken(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: func(int) plan { return plan{refuse: down} }}
		begun := time.Now()
		fails(t, f.client(t, Options{Version: version}), say(1, 3), provider.ErrUnavailable, "currently unavailable")
		if n, d := f.count(), time.Since(begun); n != 1+tries || d > 5*time.Second {
			t.Errorf("%d streams in %v", n, d)
		}
	})
}

// What is refused is refused once.
func TestRefusals(t *testing.T) {
	tests := []struct {
		code  codes.Code
		says  string
		class error
	}{
		{codes.ResourceExhausted, "Quota exceeded for requests per minute", provider.ErrQuota},
		{codes.Unauthenticated, "Request had invalid authentication credentials: Bearer eyJhbGciOi.eyJpc3Mi.c2lnbmF0dXJl", provider.ErrAuth},
		{codes.PermissionDenied, "Permission 'speech.recognizers.recognize' denied", provider.ErrAuth},
		{codes.InvalidArgument, "Invalid recognition 'config': bad language", provider.ErrBadRequest},
		{codes.NotFound, "Requested entity was not found in this location", provider.ErrBadRequest},
		{codes.OutOfRange, "sample rate out of range", provider.ErrBadRequest},
	}
	both(t, func(t *testing.T, version int) {
		for _, tt := range tests {
			f := &fake{plans: func(int) plan { return plan{refuse: status.Error(tt.code, tt.says)} }}
			fails(t, f.client(t, Options{Version: version}), say(1, 3), tt.class, tt.code.String())
			if n := f.count(); n != 1 {
				t.Errorf("%v: %d streams", tt.code, n)
			}
		}
	})
}

// In the wrong region the error names model and location.
func TestWrongRegion(t *testing.T) {
	f := &fake{plans: func(int) plan { return plan{refuse: status.Error(codes.NotFound, "model is not found")} }}
	fails(t, f.client(t, Options{Version: 2, Cloud: Cloud{Location: "mars"}}), say(1, 3), provider.ErrBadRequest, "chirp_3 in mars")
}

func TestRetryDelay(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{3 * time.Second: 3 * time.Second, -time.Second: 0, 999 * time.Hour: 24 * time.Hour} {
		delay, err := proto.Marshal(durationpb.New(given))
		if err != nil {
			t.Fatal(err)
		}
		p := status.New(codes.ResourceExhausted, "slow down").Proto()
		p.Details = append(p.Details, &anypb.Any{
			TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: append([]byte{1<<3 | 2, byte(len(delay))}, delay...),
		})
		var e *provider.Error
		if err := failedV1(status.ErrorProto(p)); !errors.Is(err, provider.ErrQuota) || !errors.As(err, &e) || e.RetryAfter != want {
			t.Errorf("%v: error %v, try again after %v", given, err, e.RetryAfter)
		}
	}
}

func TestRefusedFailsFast(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := &fake{addr: l.Addr().String()}
		_ = l.Close()
		begun := time.Now()
		fails(t, f.client(t, Options{Version: version}), say(1, 3), provider.ErrUnavailable, "refused")
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// A flush half-closes the stream, and the last final comes after that.
func TestHalfCloseDrains(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: only(plan{slow: 50 * ms})}
		expect(t, f.client(t, Options{Version: version}), say(1, 3), spoken(1, 3))
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.streams) != 1 || !f.streams[0].half {
			t.Errorf("%d streams, the first %+v", len(f.streams), f.streams[0])
		}
	})
}

// Nothing is recognized, of silence and of a noise that the detector took for a voice.
func TestNothingRecognized(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: func(int) plan { return plan{mute: true} }}
		r := f.client(t, Options{Version: version})
		expect(t, r, talk().hush(200*ms).flush().hush(300*ms).flush().source(0), "", "")
		if f.count() != 0 {
			t.Error("silence was sent")
		}
		expect(t, r, say(1, 3), "")
	})
}

// A stream that the provider ends as if all were well, without a word or after some.
func TestEndsByItself(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 2, plans: only(plan{cut: 4})} // voice_activity_timeout ends it so
		expect(t, f.client(t, Options{Version: version}), talk().say(1, 4).hush(800*ms).say(5, 8).hush(100*ms).flush().source(4), spoken(1, 8))
		f = &fake{plans: only(plan{mute: true, idle: 100 * ms})}
		expect(t, f.client(t, Options{Version: version}), talk().say(1, 2).wait(300*ms).hush(100*ms).flush().source(4), "")
	})
}

// The first message, and the size of the others.
func TestMessages(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		r := f.client(t, Options{Version: version, Language: "de-DE,en-US", Model: "long", Words: true})
		out := expect(t, r, say(1, 9), spoken(1, 9))
		f.mu.Lock()
		defer f.mu.Unlock()
		rec := f.streams[0]
		for i, n := range rec.sizes {
			if n > 3200 || n < 3200 && i < len(rec.sizes)-1 {
				t.Errorf("message %d has %d bytes of audio", i, n)
			}
		}
		switch c := rec.config.(type) {
		case *v1pb.StreamingRecognitionConfig:
			if r := c.GetConfig(); r.GetLanguageCode() != "de-DE" || r.GetAlternativeLanguageCodes()[0] != "en-US" || r.GetModel() != "long" || !c.GetInterimResults() {
				t.Errorf("config %v", c)
			}
		case *v2pb.StreamingRecognizeRequest:
			if c.GetRecognizer() != "projects/proj/locations/us/recognizers/_" || !slices.Equal(c.GetStreamingConfig().GetConfig().GetLanguageCodes(), []string{"de-DE", "en-US"}) {
				t.Errorf("config %v", c)
			}
		}
		last := out[len(out)-1]
		if len(last.Words) != 9 || last.Words[0].Text != "w1" || (last.Words[0].Start-10300*ms).Abs() > 20*ms || (last.Words[8].End-12100*ms).Abs() > 20*ms {
			t.Errorf("words %v", last.Words)
		}
	})
}

func TestNoAlternatives(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: only(plan{first: []saying{{bare: true}, {}}})}
		expect(t, f.client(t, Options{Version: version}), say(1, 3), spoken(1, 3))
	})
}

// A flush in the middle of a word: the word is heard whole with what follows, under the same Start.
func TestFlushInMidWord(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 4}
		in := talk()
		in.add(words(1, 6)[:len(words(1, 6))-1600], true).flush()
		in.add(words(6, 6)[1600:], true).say(7, 8).hush(200 * ms).flush().hush(100 * ms).flush()
		out := expect(t, f.client(t, Options{Version: version}), in.source(4), spoken(1, 5)+" w6~", spoken(1, 8), "")
		var starts []time.Duration
		for _, r := range out {
			if r.Kind == stt.Final {
				starts = append(starts, r.Start)
			}
		}
		if starts[0] != starts[1] || starts[2] <= starts[1] {
			t.Errorf("the Finals start at %v", starts)
		}
	})
}

// A second flush with nothing between gives the same again, and after a while the utterance is over.
func TestFlushTwice(t *testing.T) {
	f := &fake{}
	in := talk()
	in.say(1, 3).flush().flush().hush(1500*ms).say(4, 5).hush(100 * ms).flush()
	out := expect(t, f.client(t, Options{}), in.source(4), spoken(1, 3), spoken(1, 3), spoken(4, 5))
	if last := out[len(out)-1]; last.Start < 11*time.Second {
		t.Errorf("the last starts at %v", last.Start)
	}
}

// Nobody flushes: silence ends the stream, and the text is given.
func TestSilenceEndsTheStream(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		out := expect(t, f.client(t, Options{Version: version}), talk().say(1, 3).hush(3*time.Second).say(4, 5).hush(100*ms).source(8), spoken(1, 3), spoken(4, 5))
		if len(out) == 0 || f.count() != 2 {
			t.Errorf("%d streams", f.count())
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if sent := media.Samples(f.streams[0].samples, media.ListenRate); sent > 2800*ms {
			t.Errorf("%v were sent, and will be billed", sent)
		}
	})
}

func TestRates(t *testing.T) {
	f := &fake{}
	r := f.client(t, Options{})
	frame := func(rate int) stt.Audio {
		return stt.Audio{Frame: media.Frame{Rate: rate, PCM: make([]int16, 160)}, Voice: true, Flush: true}
	}
	if _, err := all(t, r, media.Of(frame(8000))); err != nil {
		t.Error(err)
	}
	for _, in := range []media.Source[stt.Audio]{media.Of(frame(4000)), media.Of(frame(8000), frame(16000)), media.Of(frame(0))} {
		if _, err := all(t, r, in); !errors.Is(err, provider.ErrBadRequest) || !strings.Contains(err.Error(), "Hz") {
			t.Errorf("error %v", err)
		}
	}
}

// Each deadline tells what did not come.
func TestDeadlines(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, and says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = silent.Close() }()
		deaf := &fake{plans: func(int) plan { return plan{deaf: true} }}
		stuck := &fake{plans: func(int) plan { return plan{stuck: true} }}
		on := talk().say(1, 60)
		tests := []struct {
			f      *fake
			limits provider.Limits
			in     media.Source[stt.Audio]
			says   string
		}{
			{&fake{addr: silent.Addr().String()}, provider.Limits{Connect: 100 * ms}, say(1, 3), "no connection within 100ms"},
			{deaf, provider.Limits{First: 100 * ms}, say(1, 3), "no text of what was said within 100ms"},
			{stuck, provider.Limits{First: 100 * ms}, say(1, 99), "no text of what was said within 100ms"},
			{deaf, provider.Limits{Gap: 100 * ms}, on.source(4), "no answer to a voice within 100ms"},
			{deaf, provider.Limits{Total: 100 * ms}, on.source(4), "no end of the answer within 100ms"},
		}
		for _, tt := range tests {
			_, err := all(t, tt.f.client(t, Options{Version: version, Limits: tt.limits}), tt.in)
			var late *provider.Timeout
			if !errors.As(err, &late) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		}
	})
}

// TestSlowConsumer holds the loop for longer than any limit.
func TestSlowConsumer(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 2}
		lim := provider.Limits{Connect: 5 * time.Second, First: 150 * ms, Gap: 150 * ms, Total: 2 * time.Second}
		r := f.client(t, Options{Version: version, Limits: lim})
		var got string
		for res, err := range r.Recognize(t.Context(), say(1, 4)) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * ms)
			if res.Kind == stt.Final {
				got = res.Text
			}
		}
		if got != spoken(1, 4) {
			t.Errorf("heard %q", got)
		}
	})
}

// TestCancelFreesTheStream cancels and waits until the server has noticed.
func TestCancelFreesTheStream(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		r := f.client(t, Options{Version: version})
		var times []time.Duration
		for range 20 {
			ctx, cancel := context.WithCancelCause(t.Context())
			hung := errors.New("hung up")
			for res, err := range r.Recognize(ctx, talk().say(1, 60).source(1)) {
				if err == nil && res.Kind == stt.Partial {
					cancel(hung)
					begun := time.Now()
					f.idleness(t)
					times = append(times, time.Since(begun))
				} else if err != nil && !errors.Is(err, hung) {
					t.Fatal(err)
				}
			}
			cancel(nil)
		}
		slices.Sort(times)
		if len(times) < 20 || times[len(times)/2] > 50*ms || times[len(times)-1] > 500*ms {
			t.Errorf("the server noticed after %v", times)
		}
	})
}

func TestNew(t *testing.T) {
	t.Setenv("GOOGLE_CLOUD_PROJECT", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist.json")
	t.Setenv("HOME", t.TempDir())
	tests := []struct {
		name  string
		o     Options
		class error
	}{
		{"no credentials", Options{}, provider.ErrAuth},
		{"no such file", Options{Credentials: "/does/not/exist.json"}, provider.ErrAuth},
		{"version", Options{Version: 3}, provider.ErrBadRequest},
		{"no project", Options{Version: 2}, provider.ErrBadRequest},
		{"location", Options{Version: 2, Cloud: Cloud{Project: "p", Location: "us/x"}}, provider.ErrBadRequest},
		{"endpoint", Options{Endpoint: "https://x"}, provider.ErrBadRequest},
		{"no host", Options{Endpoint: "http://"}, provider.ErrBadRequest},
		{"password", Options{Endpoint: "http://user:secret@host"}, provider.ErrBadRequest},
		{"plain", Options{Endpoint: "http://127.0.0.1:1"}, nil},
		{"account", Options{Credentials: own.Account(t)}, nil},
		{"account, v2", Options{Version: 2, Credentials: own.Account(t), Cloud: Cloud{Project: "p", Location: "eu"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(tt.o)
			if !errors.Is(err, tt.class) || (r == nil) != (tt.class != nil) {
				t.Fatalf("got %v, error %v", r, err)
			}
			if err != nil {
				own.Safe(t, err)
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("error %v tells a password", err)
				}
				return
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Over TLS the service account signs for itself; a server that repeats that in an error is not repeated.
func TestCredentials(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		f.start(t, own.Server())
		o := Options{Version: version, Endpoint: f.addr, Credentials: own.Account(t)}
		r := f.client(t, o)
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, r, say(1, 3), spoken(1, 3))
		f.mu.Lock()
		token := f.header[0]
		f.plans = func(int) plan { return plan{refuse: status.Error(codes.Unauthenticated, "wrong: "+token)} }
		f.mu.Unlock()
		jwt, ok := strings.CutPrefix(token, "Bearer ")
		if !ok || !own.Signed(jwt) {
			t.Errorf("authorization %q is not signed by the account", token)
		}
		fails(t, r, say(1, 3), provider.ErrAuth, "wrong: [key]")
	})
}

func TestWarm(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{}
		r := f.client(t, Options{Version: version})
		if err := r.Warm(t.Context()); err != nil || f.conns.Load() != 1 {
			t.Errorf("%d connections, error %v", f.conns.Load(), err)
		}
		if expect(t, r, say(1, 3), spoken(1, 3)); f.conns.Load() != 1 {
			t.Error("the first call connects although it was done before")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		cancel(gone)
		if err := f.client(t, Options{Version: version}).Warm(ctx); !errors.Is(err, gone) {
			t.Errorf("error %v", err)
		}
		nobody := &fake{addr: "127.0.0.1:1"}
		if err := nobody.client(t, Options{Version: version}).Warm(t.Context()); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	})
}
