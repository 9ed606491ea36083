package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"parley/media/rtc"
)

func TestBudget(t *testing.T) {
	var b budget
	now := time.Unix(1000, 0)
	spend := func(n int) (took int) {
		for range n {
			if b.spend(now) {
				took++
			}
		}
		return took
	}
	if n := spend(100); n != changeBurst {
		t.Errorf("%d at once", n)
	}
	now = now.Add(time.Second)
	if n := spend(100); n != int(time.Second/changeEach) {
		t.Errorf("%d after a second", n)
	}
	now = now.Add(time.Hour)
	if n := spend(100); n != changeBurst {
		t.Errorf("%d after an hour", n)
	}
}

// TestOften: a session that is changed all the time is told to wait; another is not.
func TestOften(t *testing.T) {
	h := open(t, 0)
	_, _, busy := h.call(t)
	_, _, calm := h.call(t)
	patch := func(id string) (*http.Response, string) {
		return h.do(t, "PATCH", "/sessions/"+id, "", "Content-Type", fragmentType, "If-Match", `"stale"`)
	}
	refused := 0
	for range changeBurst * 3 {
		switch res, body := patch(busy.Session); res.StatusCode {
		case http.StatusPreconditionFailed:
		case http.StatusTooManyRequests:
			if refused++; res.Header.Get("Retry-After") == "" {
				t.Error("not told when to come again")
			}
		default:
			t.Fatalf("%s: %s", res.Status, body)
		}
	}
	if refused == 0 {
		t.Error("none was refused")
	}
	if res, _ := patch(calm.Session); res.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("the other session: %s", res.Status)
	}
	if res, _ := h.do(t, "GET", "/sessions/"+busy.Session, ""); res.StatusCode != http.StatusOK {
		t.Errorf("state of the busy session: %s", res.Status)
	}
}

// TestSetups: while others' answers are being made a caller waits, and is told to come again before it is kept
// for ever. Its place is free again.
func TestSetups(t *testing.T) {
	h := open(t, 1)
	taken := max(1, runtime.GOMAXPROCS(0)/2)
	for range taken {
		if err := h.setup(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, offer, err := h.caller.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	whip := func(wait time.Duration) *httptest.ResponseRecorder {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "POST", "/whip", strings.NewReader(offer))
		r.Header.Set("Content-Type", sdpType)
		h.Handler().ServeHTTP(w, r)
		return w
	}
	if w := whip(20 * time.Millisecond); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), errBusy.Error()) {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	time.AfterFunc(20*time.Millisecond, h.setups.leave)
	if w := whip(10 * time.Second); w.Code != http.StatusCreated {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// patient is an answer that knows how long its request's body is waited for.
type patient struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (p *patient) SetReadDeadline(t time.Time) error {
	p.until = t
	return nil
}

func TestSlowBody(t *testing.T) {
	for err, code := range map[error]int{os.ErrDeadlineExceeded: http.StatusRequestTimeout, io.ErrUnexpectedEOF: http.StatusBadRequest} {
		w := &patient{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("POST", "/whip", iotest.ErrReader(err))
		r.Header.Set("Content-Type", sdpType)
		new(Server).Handler().ServeHTTP(w, r)
		if w.Code != code {
			t.Errorf("%v: %d: %s", err, w.Code, w.Body)
		}
		if d := time.Until(w.until); d <= 0 || d > answerTime {
			t.Errorf("the body is waited for %v", d)
		}
	}
}

// TestNeverConnected: a session that was answered and whose caller never comes is freed.
func TestNeverConnected(t *testing.T) {
	h := open(t, 1)
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true, Timeouts: rtc.Timeouts{Connect: 200 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	h.Endpoint = e
	_, _, answer := h.call(t)
	h.wantEnd(t, rtc.ErrNeverConnected)
	h.wantGone(t, answer.Session)
	if _, res, _ := h.call(t); res.StatusCode != http.StatusOK {
		t.Errorf("next caller: %s", res.Status)
	}
	h.wantEnd(t, rtc.ErrNeverConnected)
}

// wantGone waits until a session is no more.
func (h *house) wantGone(t *testing.T, id string) {
	t.Helper()
	for i := 0; ; i++ {
		res, _ := h.do(t, "GET", "/sessions/"+id, "")
		if res.StatusCode == http.StatusNotFound {
			return
		}
		if i == 100 {
			t.Fatalf("session stays: %s", res.Status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestRefusals: an error that nobody foresaw is ours, and its text stays in the log.
func TestRefusals(t *testing.T) {
	for err, code := range map[error]int{
		errors.New("secret detail"): http.StatusInternalServerError,
		rtc.ErrStale:                http.StatusPreconditionFailed,
		rtc.ErrHostile:              http.StatusBadRequest,
		context.DeadlineExceeded:    http.StatusInternalServerError,
		context.Canceled:            http.StatusRequestTimeout,
		fmt.Errorf("%w: %w", rtc.ErrOver, rtc.ErrHangup):             http.StatusNotFound,
		fmt.Errorf("%w: %w", rtc.ErrOver, rtc.ErrHostile):            http.StatusNotFound,
		fmt.Errorf("%w: %w", rtc.ErrOver, errors.New("all is said")): http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		new(Server).refuse(w, fmt.Errorf("patch: %w", err))
		if w.Code != code || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %d: %s", err, w.Code, w.Body)
		}
	}
}

// TestPlaces: a place is counted once, also at the moment when an offer becomes a session.
func TestPlaces(t *testing.T) {
	var sessions table
	live := make(chan struct{})
	for i, want := range []error{nil, nil, errFull} {
		if err := sessions.reserve(2); err != want {
			t.Fatalf("caller %d: %v, want %v", i, err, want)
		}
		if want != nil {
			break
		}
		if err := sessions.start(&session{Session: &Session{ID: fmt.Sprint(i)}}, func() { <-live }); err != nil {
			t.Fatal(err)
		}
	}
	close(live)
	sessions.running.Wait()
	if err := sessions.reserve(1); err != nil {
		t.Error(err)
	}
	sessions.release()
	if sessions.reserved != 0 || len(sessions.all) != 0 {
		t.Errorf("%d reserved, %d sessions", sessions.reserved, len(sessions.all))
	}
}
