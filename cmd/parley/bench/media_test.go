package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/caller/callertest"
	"parley/media/codec"
)

// helper is a process that a bench starts beside the server: its own program with one of these verbs.
func helper(verb string, args []string) error {
	value := func(name string) string {
		for _, a := range args {
			if v, ok := strings.CutPrefix(a, name+"="); ok {
				return v
			}
		}
		return ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if verb == "steady" {
		n, err := strconv.Atoi(value("--calls"))
		return errors.Join(err, (&SteadyCmd{URL: value("--url"), Calls: n}).Run(ctx, os.Stdout))
	}
	talk, err := strconv.ParseFloat(value("--talk"), 64)
	c := MediaServerCmd{Talk: talk, Bare: slices.Contains(args, "--bare")}
	return errors.Join(err, c.Run(ctx, os.Stdout))
}

func TestMediaJob(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the speech of Debian packages")
	}
	var out bytes.Buffer
	cmd := LoadCmd{Job: "media", Sessions: []int{2}, Duration: 2 * time.Second}
	err := cmd.Run(t.Context(), &out)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out.String(), `^bench load --job media: \[2\] callers`, `^ +2 +40 % +0\.\d{4} +0\.\d{4} +\d+\.\d\d .* \d+\.\d +\d+ *$`, `^ +2 +100 % +0\.\d{4}`, `^floor: one decode`)
}

func TestBareAnswer(t *testing.T) {
	enc, err := codec.NewOpusEncoder(24000, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, codec.MaxPayload)
	n, err := enc.Encode(make([]int16, 480), buf)
	if err != nil {
		t.Fatal(err)
	}
	b := bare{pcm: callertest.Tone(3 * time.Second), talk: 0.4, calls: map[uint16]*bareCall{}}
	spoke := 0
	for range 5000 {
		answer, err := b.answer(append(binary.BigEndian.AppendUint16(nil, 3), buf[:n]...))
		if err != nil {
			t.Fatal(err)
		}
		if len(answer) != bareQuiet {
			spoke++
		}
	}
	if share := float64(spoke) / 5000; share < 0.38 || share > 0.42 {
		t.Errorf("spoke %.2f of the time", share)
	}
	for _, bad := range [][]byte{nil, {1}, {1, 2}, {1, 2, 0xff, 0xff, 0xff}} {
		if _, err := b.answer(bad); err == nil {
			t.Errorf("%v was answered", bad)
		}
	}
	if len(b.calls) > 2 {
		t.Errorf("%d callers", len(b.calls))
	}
}

func TestLatenessReport(t *testing.T) {
	var l lateness
	c := l.clock()
	c.start = time.Now().Add(-2 * time.Second)
	for i := range 50 {
		c.tick(time.Since(c.start) - time.Duration(i%3)*ms)
	}
	for range 100 {
		c.tick(time.Since(c.start) - 7*ms)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
	defer cancel()
	l.ticker(ctx)
	l.count(9)
	if r := l.report(); r.P99MS < 6.9 || r.P99MS > 8 || r.TickerMS <= 0 || r.Frames != 9 {
		t.Errorf("%+v", r)
	}
}

// The agent of the tests frees its calls as the real server does; 500 calls to that are a part of make test.
func TestChurn(t *testing.T) {
	var out bytes.Buffer
	cmd := ChurnCmd{Calls: 2 * len(ways), Rate: 20, Steady: 1}
	err := cmd.Run(t.Context(), &out)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out.String(), `^bench churn: 16 calls, 20 a second, beside 1 that stay$`, `^sessions +0 +\d+ +0$`, `^goroutines +\d+ +\d+ +\d+$`,
		`^16 calls in \d+ s, \d+ a second; as before \d`, `^  offer only +2, 0 failed here$`, `^  gone in DTLS +2, 0`, `^  meanwhile +p50 \d`)
}
