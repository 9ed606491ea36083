package house

import (
	_ "github.com/alecthomas/kong"
	_ "github.com/alecthomas/kong-yaml"
	_ "github.com/chromedp/chromedp"
	_ "github.com/hraban/opus"
	_ "github.com/pion/webrtc/v4"
	_ "github.com/pion/transport/v5/vnet"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/sashabaranov/go-openai"
	_ "github.com/vbauerster/mpb/v8"
	_ "github.com/yalue/onnxruntime_go"
	_ "go.uber.org/goleak"
	_ "gonum.org/v1/gonum/dsp/fourier"
	_ "pgregory.net/rapid"
)
