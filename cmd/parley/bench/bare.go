package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"parley/cmd/parley/serve"
	"parley/media"
	"parley/media/codec"
)

// The bare job is the floor under any server's cost: for each packet that comes one decode, one encode if the server
// speaks, and one packet back, on one bare UDP socket, without encryption, pacing or any bookkeeping. A datagram is the
// caller's number (two bytes) and an Opus packet.
const (
	bareHead  = 2
	bareMost  = 4096 // callers
	bareQuiet = 80   // bytes that go back while it is silent
)

// errBare is a datagram that is none of ours.
var errBare = errors.New("not a datagram of the bare job")

// bareCall is a caller of the bare job.
type bareCall struct {
	dec *codec.OpusDecoder
	enc *codec.OpusEncoder
	n   int // packets so far
	at  int // in the monologue
}

// bareServer serves the bare job until ctx ends.
func bareServer(ctx context.Context, out io.Writer, pcm []int16, talk float64) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	_ = conn.SetReadBuffer(4 << 20) // a smaller buffer works too
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bare", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, conn.LocalAddr()) })
	mux.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
	mux.HandleFunc("GET /debug/stats", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(serve.ReadStats(r.URL.Query().Has("gc"))) // a reader who has left is not told
	})
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { // ends with h.Close
		defer close(served)
		_ = h.Serve(ln)
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	fmt.Fprintf(out, "listening on http://%s\n", ln.Addr())
	b := bare{pcm: pcm, talk: talk, calls: make(map[uint16]*bareCall)}
	err = b.serve(conn)
	h.Close()
	<-served
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type bare struct {
	pcm   []int16
	talk  float64
	calls map[uint16]*bareCall
	work  [media.ListenRate * 120 / 1000]int16
	buf   [codec.MaxPayload]byte
}

func (b *bare) serve(conn *net.UDPConn) error {
	in := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		answer, err := b.answer(in[:n])
		if err != nil {
			continue
		}
		if _, err := conn.WriteToUDPAddrPort(answer, from); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// answer does the job of one datagram.
func (b *bare) answer(in []byte) ([]byte, error) {
	if len(in) <= bareHead {
		return nil, errBare
	}
	number := binary.BigEndian.Uint16(in)
	c := b.calls[number]
	if c == nil {
		if len(b.calls) == bareMost {
			return nil, errBare
		}
		var err error
		if c, err = newBareCall(int(number)*7919, b.pcm); err != nil {
			return nil, err
		}
		b.calls[number] = c
	}
	if _, err := c.dec.Decode(in[bareHead:], b.work[:]); err != nil {
		return nil, err
	}
	c.n++
	period := spurt.Seconds() / b.talk
	if at := media.Samples(c.n, 50).Seconds() + float64(number)*0.37; b.talk < 1 && at-period*float64(int(at/period)) > spurt.Seconds() {
		return b.buf[:bareQuiet], nil
	}
	const frame = media.SpeakRate / 50
	if c.at+frame > len(b.pcm) {
		c.at = 0
	}
	n, err := c.enc.Encode(b.pcm[c.at:c.at+frame], b.buf[:])
	c.at += frame
	return b.buf[:n], err
}

func newBareCall(at int, pcm []int16) (*bareCall, error) {
	dec, err := codec.NewOpusDecoder(media.ListenRate)
	if err != nil {
		return nil, err
	}
	enc, err := codec.NewOpusEncoder(media.SpeakRate, codec.EncoderOptions{})
	if err != nil {
		return nil, err
	}
	return &bareCall{dec: dec, enc: enc, at: at % len(pcm)}, nil
}
