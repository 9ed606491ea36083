package record

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/media"
)

// FuzzFile reads a file of anything: no byte is read twice for nothing, and what is given out lies within it.
func FuzzFile(f *testing.F) {
	path := build(f, Manifest{}, 2*time.Second, sorted(as(Up, spoken(f, 30)), []Entry{{Kind: Line, Raw: bytes.Repeat([]byte(`{"a":1}`), 200)}})...)
	for _, name := range []string{packetsFile, logFile} {
		b, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-7])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size := 0
		read(packetsFile, bytes.NewReader(b), int64(len(b)), func(c *chunk, e Entry, err error) bool {
			if err == nil {
				size += 2
			}
			if c != nil && (c.at < 0 || c.next > int64(len(b)) || c.at >= c.next) {
				t.Fatalf("a chunk from %d to %d of %d", c.at, c.next, len(b))
			}
			return true
		})
		if size > len(b)*1100 { // DEFLATE packs at most 1:1032
			t.Fatalf("%d bytes of entries from %d", size, len(b))
		}
	})
}

// FuzzEntries reads entries that a checksum vouches for.
func FuzzEntries(f *testing.F) {
	var c coder
	var b []byte
	for k := Up; k < kinds; k++ {
		b = c.append(b, &Entry{Kind: k, Now: time.Second, Raw: make([]byte, hashBytes), Packet: media.Packet{SSRC: 1, PT: 2, Payload: []byte{1}}, Name: "x"})
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		(&chunk{body: b}).entries(logFile, func(_ *chunk, e Entry, err error) bool {
			n++
			return true
		})
		if n > len(b) {
			t.Fatalf("%d entries of %d bytes", n, len(b))
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":1,"id":"c1","codec":"opus","start":"2026-01-02T03:04:05Z","config":{"a":[1]}}`))
	f.Add([]byte(`{"schema":9}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b); err == nil {
			if _, err := Folder(m.ID); err != nil || m.Schema != Schema {
				t.Fatalf("%+v", m)
			}
		}
	})
}

// FuzzTrack derives sound from packets of anything: it lasts as long as the conversation, and its classes too.
func FuzzTrack(f *testing.F) {
	var c coder
	var b []byte
	for i, e := range as(Up, spoken(f, 30)) {
		e.Now += time.Duration(i) * ms
		b = c.append(b, &e)
	}
	f.Add(b)
	f.Add(c.append(bytes.Clone(b), &Entry{Kind: Up, Now: -time.Hour, Packet: media.Packet{Seq: 9, Time: 1 << 31, Payload: []byte{1, 2}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		const total = 5 * time.Second
		n := 0
		tr := newTrack(nil, 8000, total, func(p Piece) bool { n += len(p.PCM); return true })
		pl := newPlacer(Manifest{Events: 101}, tr.take)
		ok := true
		(&chunk{body: b}).entries(packetsFile, func(_ *chunk, e Entry, err error) bool {
			ok = err != nil || e.Kind != Up || pl.push(e.Packet)
			return ok
		})
		if ok {
			pl.finish()
		}
		tr.fill(tr.total-tr.at, NotCaptured)
		if n != samples(total, 8000) {
			t.Fatalf("%d samples", n)
		}
	})
}
