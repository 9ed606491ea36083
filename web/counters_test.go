package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"parley/media"
	"parley/media/rtc"
)

func (h *house) tell(t *testing.T, id string) told {
	t.Helper()
	res, body := h.do(t, "GET", "/sessions/"+id, "")
	var s told
	if err := json.Unmarshal([]byte(body), &s); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, body)
	}
	return s
}

// TestCounters: a session's figures are those of its call until its conversation knows better, and the last
// ones are in the log.
func TestCounters(t *testing.T) {
	h := open(t, 0)
	var log bytes.Buffer // read when the session, which writes it, is over
	h.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	var lost atomic.Uint64
	report, ready := make(chan struct{}), make(chan struct{})
	h.Converse = func(ctx context.Context, s *Session) error {
		run := make(chan error, 1)
		go func() { run <- s.Call.Run(ctx) }()
		<-report
		s.Report(func() Counters { return Counters{Codec: "G722", Up: UpCounters{Lost: lost.Add(1)}} })
		close(ready)
		err := <-run
		h.ended <- err
		return err
	}
	c, _, answer := h.call(t)
	if err := c.Accept(answer.SDP); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(t.Context()) }()
	<-c.Connected()
	h.wantState(t, answer.Session, "connected")
	c.Send(media.Packet{Payload: []byte{0xf8}})
	s := h.tell(t, answer.Session)
	for i := 0; s.Counters.Up.Received == 0 && i < 200; i++ {
		time.Sleep(10 * time.Millisecond)
		s = h.tell(t, answer.Session)
	}
	n := s.Counters
	if s.ID != answer.Session || s.State != "connected" || s.Since.IsZero() || n.Type != "counters" || n.Codec != "opus" || n.Up.Received != 1 || n.AtMS <= 0 {
		t.Errorf("%+v", s)
	}
	close(report)
	<-ready
	if n := h.tell(t, answer.Session).Counters; n.Codec != "G722" || n.Up.Lost != 1 || n.Type != "counters" {
		t.Errorf("of the conversation: %+v", n)
	}
	c.Close()
	<-done
	h.wantEnd(t, rtc.ErrHangup)
	h.wantGone(t, answer.Session)
	var last struct {
		Msg    string
		Reason string
		Media  map[string]json.RawMessage
	}
	lines := bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
		t.Fatal(err)
	}
	if last.Msg != "session ends" || string(last.Media["lost"]) != "2" || string(last.Media["codec"]) != `"G722"` || len(last.Media) != 14 {
		t.Errorf("last line %s", lines[len(lines)-1])
	}
	if bytes.Contains(log.Bytes(), []byte(answer.Session)) {
		t.Error("the log has the session's whole id")
	}
}
