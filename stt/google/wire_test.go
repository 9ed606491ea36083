package google

import (
	v1pb "cloud.google.com/go/speech/apiv1/speechpb"
	v2pb "cloud.google.com/go/speech/apiv2/speechpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"parley/stt/rotate"
)

type serverV1 struct {
	v1pb.UnimplementedSpeechServer
	f *fake
}

func registerV1(s *grpc.Server, f *fake) { v1pb.RegisterSpeechServer(s, &serverV1{f: f}) }

func (f *fake) note(md metadata.MD) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header = append(f.header, md.Get("authorization")...)
}

func (s *serverV1) StreamingRecognize(st v1pb.Speech_StreamingRecognizeServer) error {
	md, _ := metadata.FromIncomingContext(st.Context())
	s.f.note(md)
	m, err := st.Recv()
	if err != nil {
		return err
	}
	conf := m.GetStreamingConfig()
	if conf == nil || conf.GetConfig().GetEncoding() != v1pb.RecognitionConfig_LINEAR16 || conf.GetConfig().GetSampleRateHertz() < 8000 {
		return status.Error(codes.InvalidArgument, "the first message must be a configuration")
	}
	return s.f.serve(side{
		ctx: st.Context(), rate: int(conf.GetConfig().GetSampleRateHertz()), conf: conf,
		recv: func() ([]byte, error) {
			m, err := st.Recv()
			if err != nil {
				return nil, err
			}
			if m.GetStreamingConfig() != nil || len(m.GetAudioContent())%2 != 0 {
				return nil, status.Error(codes.InvalidArgument, "only whole samples may follow the configuration")
			}
			return m.GetAudioContent(), nil
		},
		send: func(m saying) error {
			r := &v1pb.StreamingRecognizeResponse{SpeechEventTime: durationpb.New(m.at)}
			if m.fault != nil {
				r.Error = m.fault.Proto()
			}
			switch m.mark {
			case rotate.Began:
				r.SpeechEventType = v1pb.StreamingRecognizeResponse_SPEECH_ACTIVITY_BEGIN
			case rotate.Ended:
				r.SpeechEventType = v1pb.StreamingRecognizeResponse_SPEECH_ACTIVITY_END
			case rotate.Enough:
				r.SpeechEventType = v1pb.StreamingRecognizeResponse_END_OF_SINGLE_UTTERANCE
			}
			if m.bare {
				r.Results = append(r.Results, &v1pb.StreamingRecognitionResult{IsFinal: true})
			}
			for _, p := range m.pieces {
				alt := &v1pb.SpeechRecognitionAlternative{Transcript: p.text}
				if conf.GetConfig().GetEnableWordTimeOffsets() && p.final {
					for _, w := range p.words {
						alt.Words = append(alt.Words, &v1pb.WordInfo{Word: w.Text, StartTime: durationpb.New(w.Start), EndTime: durationpb.New(w.End)})
					}
				}
				r.Results = append(r.Results, &v1pb.StreamingRecognitionResult{
					Alternatives: []*v1pb.SpeechRecognitionAlternative{alt}, IsFinal: p.final, ResultEndTime: durationpb.New(p.end),
				})
			}
			return st.Send(r)
		},
	})
}

type serverV2 struct {
	v2pb.UnimplementedSpeechServer
	f *fake
}

func registerV2(s *grpc.Server, f *fake) { v2pb.RegisterSpeechServer(s, &serverV2{f: f}) }

func (s *serverV2) StreamingRecognize(st v2pb.Speech_StreamingRecognizeServer) error {
	md, _ := metadata.FromIncomingContext(st.Context())
	s.f.note(md)
	m, err := st.Recv()
	if err != nil {
		return err
	}
	conf := m.GetStreamingConfig()
	how := conf.GetConfig().GetExplicitDecodingConfig()
	if m.GetRecognizer() == "" || how.GetEncoding() != v2pb.ExplicitDecodingConfig_LINEAR16 || how.GetAudioChannelCount() != 1 {
		return status.Error(codes.InvalidArgument, "the first message must name a recognizer and hold a configuration")
	}
	return s.f.serve(side{
		ctx: st.Context(), rate: int(how.GetSampleRateHertz()), conf: m,
		recv: func() ([]byte, error) {
			m, err := st.Recv()
			if err != nil {
				return nil, err
			}
			if m.GetStreamingConfig() != nil || m.GetRecognizer() != "" || len(m.GetAudio())%2 != 0 {
				return nil, status.Error(codes.InvalidArgument, "only whole samples may follow the configuration")
			}
			return m.GetAudio(), nil
		},
		send: func(m saying) error {
			r := &v2pb.StreamingRecognizeResponse{SpeechEventOffset: durationpb.New(m.at)}
			switch m.mark {
			case rotate.Began:
				r.SpeechEventType = v2pb.StreamingRecognizeResponse_SPEECH_ACTIVITY_BEGIN
			case rotate.Ended:
				r.SpeechEventType = v2pb.StreamingRecognizeResponse_SPEECH_ACTIVITY_END
			case rotate.Enough:
				r.SpeechEventType = v2pb.StreamingRecognizeResponse_END_OF_SINGLE_UTTERANCE
			}
			if m.bare {
				r.Results = append(r.Results, &v2pb.StreamingRecognitionResult{IsFinal: true})
			}
			for _, p := range m.pieces {
				alt := &v2pb.SpeechRecognitionAlternative{Transcript: p.text}
				if conf.GetConfig().GetFeatures().GetEnableWordTimeOffsets() && p.final {
					for _, w := range p.words {
						alt.Words = append(alt.Words, &v2pb.WordInfo{Word: w.Text, StartOffset: durationpb.New(w.Start), EndOffset: durationpb.New(w.End)})
					}
				}
				r.Results = append(r.Results, &v2pb.StreamingRecognitionResult{
					Alternatives: []*v2pb.SpeechRecognitionAlternative{alt}, IsFinal: p.final, ResultEndOffset: durationpb.New(p.end),
				})
			}
			return st.Send(r)
		},
	})
}
