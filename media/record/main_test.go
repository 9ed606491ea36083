package record

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/media"
	"parley/media/codec"
)

const ms = time.Millisecond

// TestMain is also the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORD_UNTIL_KILLED"); dir != "" {
		fmt.Fprintln(os.Stderr, recordForEver(context.Background(), dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// build writes a bundle without a clock and without syncing.
func build(t testing.TB, m Manifest, end time.Duration, entries ...Entry) string {
	t.Helper()
	dir := t.TempDir()
	if m.ID == "" {
		m.ID = "c1"
	}
	w := created(t, dir, m, Options{Buffer: time.Hour, Blobs: true})
	for _, f := range w.files {
		f.dev.sync = func() error { return nil }
	}
	var flushed time.Duration
	for i := range entries {
		e := &entries[i]
		q := &w.media
		if k := e.Kind; k == Line || k == Score || k == Blob {
			q = &w.log
		}
		q.put(e)
		if e.Now-flushed >= period {
			flushed = e.Now
			if err := w.flush(true, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.finish(end); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return w.dir
}

// created is a Writer whose files are there already.
func created(t testing.TB, dir string, m Manifest, o Options) *Writer {
	t.Helper()
	w, err := New(dir, m, o)
	if err == nil {
		err = w.create()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func open(t testing.TB, path string) *Bundle {
	t.Helper()
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// spoken makes the packets of a tone, each 20 ms.
func spoken(t testing.TB, n int) []media.Packet {
	t.Helper()
	enc, err := codec.NewEncoder(media.Opus, 48000, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, buf, pcm := make([]media.Packet, n), make([]byte, codec.MaxPayload), make([]int16, 960)
	for i := range out {
		for j := range pcm {
			pcm[j] = int16(8000 * math.Sin(2*math.Pi*440*float64(i*960+j)/48000))
		}
		size, err := enc.Encode(pcm, buf)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = media.Packet{
			At: time.Duration(i) * 20 * ms, Seq: uint16(65500 + i), Time: uint32(1<<32 - 9600 + 960*i),
			SSRC: 7, PT: 111, Level: 12, Payload: slices.Clone(buf[:size]),
		}
	}
	return out
}

// as makes entries of packets.
func as(k Kind, in []media.Packet) (out []Entry) {
	for i, p := range in {
		out = append(out, Entry{Kind: k, Now: p.At, Seq: uint64(i), Packet: p})
	}
	return out
}

// sorted puts entries in the order of their time.
func sorted(e ...[]Entry) []Entry {
	all := slices.Concat(e...)
	slices.SortStableFunc(all, func(a, b Entry) int { return int(a.Now - b.Now) })
	return all
}

// verified is the report of a bundle, which must have no problem.
func verified(t testing.TB, path string) Report {
	t.Helper()
	r := open(t, path).Verify()
	for _, p := range r.Problems {
		t.Error(p)
	}
	return r
}

// clone copies a bundle.
func clone(t testing.TB, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.CopyFS(to, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	return to
}
