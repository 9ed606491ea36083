package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"parley/internal/provider"
)

// espeakRate is the rate of espeak-ng's own voices.
const espeakRate = 22050

// speakPlain has espeak-ng itself say a chunk: mono samples in −1…1 at espeakRate.
func speakPlain(ctx context.Context, program string, chunk []clause) ([]float32, error) {
	own, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	var text strings.Builder
	for _, c := range chunk {
		text.WriteString(c.text + mark(c.mark) + " ")
	}
	cmd := exec.CommandContext(own, program, "--stdin", "--stdout", "-b", "1", "-v", "en-us", "-s", "160")
	cmd.Stdin = strings.NewReader(text.String())
	cmd.WaitDelay = 100 * time.Millisecond
	out, err := cmd.Output()
	switch {
	case own.Err() != nil:
		return nil, context.Cause(own)
	case err != nil:
		return nil, fmt.Errorf("have espeak-ng speak: %w: %w", provider.ErrUnavailable, err)
	}
	return samples(out)
}

// samples reads what espeak-ng writes: a WAV file whose sizes it did not know when it began.
func samples(wav []byte) ([]float32, error) {
	i := bytes.Index(wav[:min(len(wav), 256)], []byte("data"))
	if !bytes.HasPrefix(wav, []byte("RIFF")) || i < 0 || len(wav) < i+8 {
		return nil, fmt.Errorf("have espeak-ng speak: %w: no WAV came", provider.ErrUnavailable)
	}
	wav = wav[i+8:]
	pcm := make([]float32, len(wav)/2)
	for i := range pcm {
		pcm[i] = float32(int16(binary.LittleEndian.Uint16(wav[2*i:]))) / 32768
	}
	return pcm, nil
}
