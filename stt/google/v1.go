package google

import (
	"context"
	"io"
	"strings"

	speech "cloud.google.com/go/speech/apiv1"
	"cloud.google.com/go/speech/apiv1/speechpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/stt"
	"parley/stt/rotate"
)

// v1 is version 1 of the service.
type v1 struct {
	client *speech.Client
	o      Options
}

func newV1(ctx context.Context, o Options, dial []option.ClientOption) (*v1, error) {
	client, err := speech.NewClient(ctx, dial...)
	if err != nil {
		return nil, err
	}
	client.CallOptions.StreamingRecognize = nil // it would try for ever to open a stream
	return &v1{client: client, o: o}, nil
}

func (v *v1) close() error { return v.client.Close() }

func failedV1(err error) error {
	if err == io.EOF {
		return err
	}
	return failed(err, codes.OutOfRange, "maximum allowed stream duration", "audio timeout")
}

func (v *v1) open(ctx context.Context, rate int) (rotate.Link, error) {
	stream, err := v.client.StreamingRecognize(ctx)
	if err != nil {
		return rotate.Link{}, failedV1(err)
	}
	_ = stream.Send(v.config(rate)) // why it failed is what Recv tells
	return rotate.Link{
		Send: func(pcm []byte) error {
			return stream.Send(&speechpb.StreamingRecognizeRequest{
				StreamingRequest: &speechpb.StreamingRecognizeRequest_AudioContent{AudioContent: pcm},
			})
		},
		Finish: stream.CloseSend,
		Recv: func() (rotate.Reply, error) {
			r, err := stream.Recv()
			if err == nil && r.GetError() != nil {
				err = status.ErrorProto(r.GetError())
			}
			if err != nil {
				return rotate.Reply{}, failedV1(err)
			}
			return replyV1(r), nil
		},
	}, nil
}

// config is the first message.
func (v *v1) config(rate int) *speechpb.StreamingRecognizeRequest {
	languages := strings.Split(v.o.Language, ",")
	return &speechpb.StreamingRecognizeRequest{StreamingRequest: &speechpb.StreamingRecognizeRequest_StreamingConfig{
		StreamingConfig: &speechpb.StreamingRecognitionConfig{
			Config: &speechpb.RecognitionConfig{
				Encoding:                   speechpb.RecognitionConfig_LINEAR16,
				SampleRateHertz:            int32(rate),
				LanguageCode:               languages[0],
				AlternativeLanguageCodes:   languages[1:],
				Model:                      v.o.Model,
				EnableAutomaticPunctuation: true,
				EnableWordTimeOffsets:      v.o.Words,
			},
			InterimResults:            true,
			EnableVoiceActivityEvents: true,
		},
	}}
}

// replyV1 is a message as a reply.
func replyV1(m *speechpb.StreamingRecognizeResponse) (r rotate.Reply) {
	var open strings.Builder
	for _, p := range m.GetResults() {
		if len(p.GetAlternatives()) == 0 {
			continue
		}
		best := p.GetAlternatives()[0]
		if !p.GetIsFinal() {
			open.WriteString(best.GetTranscript())
			r.Open.End = max(r.Open.End, offset(p.GetResultEndTime()))
			continue
		}
		r.Settled.Text, r.Settled.End = r.Settled.Text+best.GetTranscript(), max(r.Settled.End, offset(p.GetResultEndTime()))
		for _, w := range best.GetWords() {
			r.Settled.Words = append(r.Settled.Words, stt.Word{Text: w.GetWord(), Start: offset(w.GetStartTime()), End: offset(w.GetEndTime())})
		}
	}
	r.Open.Text, r.At = open.String(), offset(m.GetSpeechEventTime())
	switch m.GetSpeechEventType() {
	case speechpb.StreamingRecognizeResponse_SPEECH_ACTIVITY_BEGIN:
		r.Mark = rotate.Began
	case speechpb.StreamingRecognizeResponse_SPEECH_ACTIVITY_END:
		r.Mark = rotate.Ended
	case speechpb.StreamingRecognizeResponse_END_OF_SINGLE_UTTERANCE, speechpb.StreamingRecognizeResponse_SPEECH_ACTIVITY_TIMEOUT:
		r.Mark = rotate.Enough
	}
	return r
}
