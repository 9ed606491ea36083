package google

import (
	"context"
	"io"
	"strings"

	speech "cloud.google.com/go/speech/apiv2"
	"cloud.google.com/go/speech/apiv2/speechpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"

	"parley/stt"
	"parley/stt/rotate"
)

// v2 is version 2 of the service.
type v2 struct {
	client *speech.Client
	o      Options
}

func newV2(ctx context.Context, o Options, dial []option.ClientOption) (*v2, error) {
	client, err := speech.NewClient(ctx, dial...)
	if err != nil {
		return nil, err
	}
	client.CallOptions.StreamingRecognize = nil // it would try for ever to open a stream
	return &v2{client: client, o: o}, nil
}

func (v *v2) close() error { return v.client.Close() }

func failedV2(err error) error {
	if err == io.EOF {
		return err
	}
	return failed(err, codes.Aborted, "max duration", "stream timed out")
}

func (v *v2) open(ctx context.Context, rate int) (rotate.Link, error) {
	stream, err := v.client.StreamingRecognize(ctx)
	if err != nil {
		return rotate.Link{}, failedV2(err)
	}
	_ = stream.Send(v.config(rate)) // why it failed is what Recv tells
	return rotate.Link{
		Send: func(pcm []byte) error {
			return stream.Send(&speechpb.StreamingRecognizeRequest{
				StreamingRequest: &speechpb.StreamingRecognizeRequest_Audio{Audio: pcm},
			})
		},
		Finish: stream.CloseSend,
		Recv: func() (rotate.Reply, error) {
			r, err := stream.Recv()
			if err != nil {
				return rotate.Reply{}, failedV2(err)
			}
			return replyV2(r), nil
		},
	}, nil
}

// config is the first message.
func (v *v2) config(rate int) *speechpb.StreamingRecognizeRequest {
	return &speechpb.StreamingRecognizeRequest{
		Recognizer: v.o.Cloud.recognizer(),
		StreamingRequest: &speechpb.StreamingRecognizeRequest_StreamingConfig{StreamingConfig: &speechpb.StreamingRecognitionConfig{
			Config: &speechpb.RecognitionConfig{
				DecodingConfig: &speechpb.RecognitionConfig_ExplicitDecodingConfig{ExplicitDecodingConfig: &speechpb.ExplicitDecodingConfig{
					Encoding:          speechpb.ExplicitDecodingConfig_LINEAR16,
					SampleRateHertz:   int32(rate),
					AudioChannelCount: 1,
				}},
				Model:         v.o.Model,
				LanguageCodes: strings.Split(v.o.Language, ","),
				Features: &speechpb.RecognitionFeatures{
					EnableAutomaticPunctuation: true,
					EnableWordTimeOffsets:      v.o.Words,
				},
			},
			StreamingFeatures: &speechpb.StreamingRecognitionFeatures{
				InterimResults:            true,
				EnableVoiceActivityEvents: true,
			},
		}},
	}
}

// replyV2 is a message as a reply.
func replyV2(m *speechpb.StreamingRecognizeResponse) (r rotate.Reply) {
	var open strings.Builder
	for _, p := range m.GetResults() {
		if len(p.GetAlternatives()) == 0 {
			continue
		}
		best := p.GetAlternatives()[0]
		if !p.GetIsFinal() {
			open.WriteString(best.GetTranscript())
			r.Open.End = max(r.Open.End, offset(p.GetResultEndOffset()))
			continue
		}
		r.Settled.Text, r.Settled.End = r.Settled.Text+best.GetTranscript(), max(r.Settled.End, offset(p.GetResultEndOffset()))
		for _, w := range best.GetWords() {
			r.Settled.Words = append(r.Settled.Words, stt.Word{Text: w.GetWord(), Start: offset(w.GetStartOffset()), End: offset(w.GetEndOffset())})
		}
	}
	r.Open.Text, r.At = open.String(), offset(m.GetSpeechEventOffset())
	switch m.GetSpeechEventType() {
	case speechpb.StreamingRecognizeResponse_SPEECH_ACTIVITY_BEGIN:
		r.Mark = rotate.Began
	case speechpb.StreamingRecognizeResponse_SPEECH_ACTIVITY_END:
		r.Mark = rotate.Ended
	case speechpb.StreamingRecognizeResponse_END_OF_SINGLE_UTTERANCE:
		r.Mark = rotate.Enough
	}
	return r
}
