package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"parley/media"
)

func put(t testing.TB, path string, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What others wrote, or may write some day, or wrote to do harm.
func TestForeign(t *testing.T) {
	good := build(t, Manifest{}, said, as(Up, spoken(t, 100))...)
	manifest, err := os.ReadFile(filepath.Join(good, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		harm    func(dir string)
		open    error  // of Open
		problem string // that Verify tells of
		packets int
	}{
		{"a newer manifest", func(dir string) { put(t, dir+"/manifest.json", `{"schema":2,"id":"c1"}`) }, ErrVersion, "", 0},
		{"a newer file", func(dir string) { put(t, dir+"/packets", "parley record 2 packets\nxyz") }, nil, "packets at byte 0: version 2: a newer format", 0},
		{"no manifest", func(dir string) { _ = os.Remove(dir + "/manifest.json") }, nil, "manifest.json", 100},
		{"a broken manifest", func(dir string) { put(t, dir+"/manifest.json", string(manifest[:20])) }, nil, "manifest.json at byte 20", 100},
		{"a manifest of another kind", func(dir string) { put(t, dir+"/manifest.json", `{"schema":"one"}`) }, nil, "manifest.json at byte 15", 100},
		{"a manifest with a path", func(dir string) { put(t, dir+"/manifest.json", `{"schema":1,"id":"../../x"}`) }, nil, "not those of a recording", 100},
		{"an unknown codec", func(dir string) { put(t, dir+"/manifest.json", `{"schema":1,"id":"c1","codec":"lyra"}`) }, nil, `unknown codec "lyra"`, 100},
		{"an endless manifest", func(dir string) { put(t, dir+"/manifest.json", strings.Repeat(" ", manifestMost+1)) }, nil, "longer than any manifest", 100},
		{"a manifest elsewhere", func(dir string) {
			_ = os.Remove(dir + "/manifest.json")
			_ = os.Symlink("/etc/passwd", dir+"/manifest.json")
		}, nil, "manifest", 100},
		{"packets elsewhere", func(dir string) {
			_ = os.Rename(dir+"/packets", dir+"/../away")
			_ = os.Symlink("../away", dir+"/packets")
		}, nil, "read packets", 0},
		{"a folder in place of packets", func(dir string) { _ = os.Remove(dir + "/packets"); _ = os.Mkdir(dir+"/packets", 0o700) }, nil, "packets: not a file", 0},
		{"a file too much", func(dir string) { put(t, dir+"/notes.txt", "x") }, nil, `"notes.txt" is no part`, 100},
		{"a folder too much", func(dir string) { _ = os.MkdirAll(dir+"/blobs/a/b", 0o700) }, nil, `"blobs/a" is no part`, 100},
		{"no log", func(dir string) { _ = os.Remove(dir + "/log") }, nil, "read log", 100},
		{"another file's header", func(dir string) { put(t, dir+"/log", "parley record 1 packets\n") }, nil, "does not begin with", 100},
		{"an absurd length", func(dir string) {
			b, _ := os.ReadFile(dir + "/packets")
			at := bytes.LastIndex(b, chunkMagic[:])
			binary.LittleEndian.PutUint32(b[at+4:], math.MaxUint32)
			put(t, dir+"/packets", string(b))
		}, nil, "a chunk cannot have 4294967295 bytes", 100},
		{"a chunk less", func(dir string) {
			b, _ := os.ReadFile(dir + "/packets")
			a := bytes.Index(b, chunkMagic[:])
			z := a + bytes.Index(b[a+4:], chunkMagic[:]) + 4
			put(t, dir+"/packets", string(b[:a])+string(b[z:]))
		}, nil, "chunk 1 follows where 0 should", 74},
		{"something after the end", func(dir string) {
			b, _ := os.ReadFile(dir + "/packets")
			p := framer{}
			put(t, dir+"/packets", string(b)+string(p.chunk(5, (&coder{}).append(nil, &Entry{Kind: Mute}))))
		}, nil, "something after the end", 100},
		{"nothing but magic", func(dir string) {
			head := append(append([]byte(nil), chunkMagic[:]...), 0, 0, 1, 0, 0, 0, 0, 0)
			put(t, dir+"/packets", header(packetsFile)+strings.Repeat(string(head), 1<<18))
		}, nil, "checksum is wrong", 0},
		{"a body that unpacks without end", func(dir string) {
			p := framer{packer: &Packer{}}
			b := bytes.Clone(p.chunk(0, make([]byte, 1<<20)))
			binary.LittleEndian.PutUint32(b[8:], 5)
			binary.LittleEndian.PutUint32(b[16:], checksum(b))
			put(t, dir+"/packets", header(packetsFile)+string(b))
		}, nil, "not the 5 bytes", 0},
		{"entries that are none", func(dir string) {
			p := framer{}
			put(t, dir+"/packets", header(packetsFile)+string(p.chunk(0, []byte{byte(Up), 200, 1, 2})))
		}, nil, "an entry that is not one", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := clone(t, good)
			c.harm(dir)
			b, err := Open(dir)
			if c.open != nil || err != nil {
				if !errors.Is(err, c.open) {
					t.Errorf("opened: %v", err)
				}
				return
			}
			defer b.Close()
			if got := strings.Join(b.Verify().Problems, "\n"); !strings.Contains(got, c.problem) {
				t.Errorf("problems %s\nwant %q", got, c.problem)
			}
			n := 0
			for e, err := range b.Packets() {
				if err == nil && e.Kind == Up {
					n++
				}
			}
			if n < c.packets {
				t.Errorf("%d packets are left of %d", n, c.packets)
			}
			for range b.Track(Up, 16000) {
				n++
			}
		})
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestBlobs(t *testing.T) {
	dir := t.TempDir()
	w := created(t, dir, Manifest{ID: "c1"}, Options{Blobs: true})
	random := make([]byte, 1000)
	for i := range random {
		random[i] = byte(i * i * 7919 >> 3)
	}
	var names []string
	for _, content := range [][]byte{nil, random, bytes.Repeat(random[:10], 100)} {
		name, _ := w.Blob(0, content)
		names = append(names, name)
	}
	if err := errors.Join(w.finish(said), w.close()); err != nil {
		t.Fatal(err)
	}
	b := open(t, w.dir)
	for i, want := range [][]byte{{}, random, bytes.Repeat(random[:10], 100)} {
		if got, err := b.Blob(names[i]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	verified(t, w.dir)
	for _, name := range []string{"", "../log", strings.Repeat("a", 64), strings.ToUpper(names[0]), "/etc/passwd"} {
		if _, err := b.Blob(name); err == nil {
			t.Errorf("a blob named %q", name)
		}
	}
	all, err := filepath.Glob(w.dir + "/blobs/*")
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for _, path := range all {
		put(t, path, "other")
	}
	if r := b.Verify(); len(r.Problems) != 3 {
		t.Errorf("%q", r.Problems)
	}
}

// Every kind of entry comes back as it went in, whatever came before it.
func TestCoder(t *testing.T) {
	hash := bytes.Repeat([]byte{7}, hashBytes)
	in := []Entry{
		{Kind: Up, Now: 5, Seq: 1 << 60, Packet: media.Packet{At: 5, Seq: 65535, Time: 1<<32 - 1, SSRC: 1, PT: 111, Level: -1, Marker: true, Payload: []byte{1}}},
		{Kind: Down, Now: 4, Seq: 0, Packet: media.Packet{At: 4, Seq: 0, Time: 0, SSRC: 0, Level: 127, Payload: []byte{}}},
		{Kind: Up, Now: 1 << 62, Seq: 3, Packet: media.Packet{At: 1 << 62, Seq: 0, Time: 959, SSRC: 1, PT: 9, Payload: []byte{}}},
		{Kind: RTCPUp, Now: -5, Seq: 3, Raw: []byte{1, 2}},
		{Kind: RTCPDown, Now: -5, Seq: 3, Raw: []byte{}},
		{Kind: Gap, Now: 9, At: 3, Of: Up, Count: 1 << 63, Name: "why"},
		{Kind: Pause, Now: 9, Name: "why"}, {Kind: Resume, Now: 9}, {Kind: Mute, Now: 9, On: true}, {Kind: Mute, Now: 9},
		{Kind: Line, Now: 9, Seq: 7, Raw: []byte("{}")},
		{Kind: Score, Now: 9, Seq: 7, At: -3, Value: float32(math.Pi), Name: "vad"},
		{Kind: Blob, Now: 9, Count: 5, Name: "ab"},
		{Kind: End, Now: 9, Raw: hash, Name: "closed"},
	}
	var w, r coder
	var b []byte
	for i := range in {
		b = w.append(b, &in[i])
		if i == 5 {
			b = append(b, 200, 3, 0, 2, 3) // of a kind that is not known
		}
	}
	var out []Entry
	for len(b) > 0 {
		e, rest, ok, err := r.parse(b)
		if err != nil {
			t.Fatal(err)
		}
		b = rest
		if ok {
			out = append(out, e)
		}
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%+v\nwant %+v", out, in)
	}
	for k := range Kind(20) {
		if known := k >= Up && k < kinds; known == (k.String() == "unknown") {
			t.Errorf("kind %d is %v", k, k)
		}
	}
}

// An hour of a lively conversation: a caller who never pauses, an agent who speaks half of the time, 31 scores a second.
func TestSizeOfAnHour(t *testing.T) {
	tone := spoken(t, 200)
	size := 0
	for _, p := range tone {
		size += len(p.Payload)
	}
	var all []Entry
	seed := uint32(1)
	for i := range 180000 {
		at := time.Duration(i)*20*ms + jitter(i)
		p := tone[i%len(tone)]
		p.At, p.Seq, p.Time = at, uint16(i), uint32(960*i)
		all = append(all, Entry{Kind: Up, Now: at, Seq: uint64(i), Packet: p})
		if i/500%2 == 0 {
			all = append(all, Entry{Kind: Down, Now: at, Seq: uint64(i), Packet: p})
		}
		if i%50 == 0 {
			all = append(all, Entry{Kind: RTCPUp, Now: at, Seq: uint64(i), Raw: make([]byte, 52)}, Entry{Kind: RTCPDown, Now: at, Seq: uint64(i), Raw: make([]byte, 52)})
		}
		if i%50 < 31 {
			seed = seed*1664525 + 1013904223
			line := fmt.Sprintf(`{"seq":%d,"now":%d,"in":{"kind":"score","at":%d,"voice":%.8f,"loud":%d},"wake":%d}`,
				i, at, at-20*ms, float64(seed)/(1<<32), at-time.Duration(seed>>4), at+500*ms)
			all = append(all, Entry{Kind: Line, Now: at, Seq: uint64(i), Raw: []byte(line)}, Entry{Kind: Score, Now: at, Seq: uint64(i), Name: "vad", At: at - 20*ms, Value: float32(seed)})
		}
	}
	path := build(t, Manifest{}, time.Hour, all...)
	var sizes [2]int64
	for i, name := range []string{packetsFile, logFile} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		sizes[i] = info.Size()
	}
	t.Logf("%.1f MB of packets at %.1f kbit/s, %.1f MB of log", float64(sizes[0])/1e6, float64(size)*8/4/1000, float64(sizes[1])/1e6)
	if sizes[0]+sizes[1] > 40e6 {
		t.Error("more than 40 MB")
	}
	begin := time.Now()
	n := 0
	b := open(t, path)
	for _, err := range b.Packets() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	t.Logf("%d entries read in %v, state and duration in %v", n, time.Since(begin), func() time.Duration { begin := time.Now(); _, _ = b.State(), b.Duration(); return time.Since(begin) }())
}
