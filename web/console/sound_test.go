package console

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"parley/media/record"
)

// want is what package record makes of a recording.
func (b *bench) want(rate int, tracks ...record.Kind) []byte {
	b.Helper()
	bundle, err := record.Open(filepath.Join(b.dir, "talk.conv"))
	if err != nil {
		b.Fatal(err)
	}
	defer bundle.Close()
	var out bytes.Buffer
	if err := bundle.WAV(&out, rate, tracks...); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// The sound is that of package record, of both sides or one, whole or in part.
func TestSound(t *testing.T) {
	b := newBench(t, nil)
	for side, tracks := range map[string][]record.Kind{
		"": {record.Up, record.Down}, "?side=both": {record.Up, record.Down}, "?side=caller": {record.Up}, "?side=agent": {record.Down},
	} {
		want := b.want(soundRate, tracks...)
		path := "/recordings/talk/sound" + side
		if got := b.body("GET", path, http.StatusOK); !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, want %d", side, len(got), len(want))
		}
		for _, r := range [][2]int{{0, 0}, {0, 43}, {40, 50}, {44, 45}, {47, 1001}, {123457, 223456}, {len(want) - 3, len(want) - 1}} {
			got := b.body("GET", path, http.StatusPartialContent, "Range", fmt.Sprintf("bytes=%d-%d", r[0], r[1]))
			if !bytes.Equal(got, want[r[0]:r[1]+1]) {
				t.Errorf("%q %v: %d other bytes", side, r, len(got))
			}
		}
		b.body("GET", path, http.StatusRequestedRangeNotSatisfiable, "Range", "bytes="+strconv.Itoa(len(want))+"-")
		res := b.do("GET", path)
		b.body("GET", path, http.StatusNotModified, "If-None-Match", res.Header.Get("Etag"))
	}
}

// The peaks are the extremes and the class of every hundredth of a second, and as long as the conversation.
func TestPeaks(t *testing.T) {
	b := newBench(t, nil)
	res := b.do("GET", "/recordings/talk/peaks")
	if got := res.Header.Get("Parley-Bucket"); got != "0.01" {
		t.Fatalf("a bucket of %s s", got)
	}
	got := b.body("GET", "/recordings/talk/peaks", 200)
	wav := b.want(soundRate, record.Up, record.Down)[wavHead:]
	const bucket = soundRate / 100
	if n := (len(wav)/4 + bucket - 1) / bucket; len(got) != 6*n {
		t.Fatalf("%d peaks, want %d", len(got)/6, n)
	}
	var sums [2][6]int
	for i := range len(got) / 6 {
		for side := range 2 {
			low, high := int16(32767), int16(-32768)
			for j := i * bucket; j < min(i*bucket+bucket, len(wav)/4); j++ {
				v := int16(binary.LittleEndian.Uint16(wav[4*j+2*side:]))
				low, high = min(low, v), max(high, v)
			}
			p := got[6*i+3*side:]
			if int8(p[0]) != int8(low>>8) || int8(p[1]) != int8(high>>8) {
				t.Fatalf("peak %d of side %d: %d %d, want %d %d", i, side, int8(p[0]), int8(p[1]), low>>8, high>>8)
			}
			sums[side][p[2]]++
		}
	}
	if up := sums[0]; up[record.Concealed] != 6 || up[record.DTX] != 380 || up[record.Muted] != 200 || up[record.NotCaptured] < 100 {
		t.Errorf("the caller's classes: %v", up)
	}
}

// What is asked for while it is being made is waited for, and who leaves waits no longer.
func TestWhileItIsMade(t *testing.T) {
	d, err := newDerived(t.TempDir(), time.Second, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	read := make(chan []byte)
	go func() {
		w := newWAV(t.Context(), d, []int{0, 1})
		got := make([]byte, wavHead+40)
		for n := 0; n < len(got); {
			k, err := w.Read(got[n:])
			if err != nil {
				t.Error(err)
				break
			}
			n += k
		}
		read <- got[wavHead:]
	}()
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.wait(left, 0, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	d.take(0, &maker{pcm: bytes.Repeat([]byte{1, 0}, 1000), made: 1000})
	select {
	case <-read:
		t.Fatal("read before the other side was there")
	default:
	}
	d.take(1, &maker{pcm: bytes.Repeat([]byte{2, 0}, 1000), made: 1000})
	if got := <-read; !bytes.Equal(got, bytes.Repeat([]byte{1, 0, 2, 0}, 10)) {
		t.Errorf("% x", got)
	}
	d.end(errors.New("the disk is gone"))
	if err := d.wait(t.Context(), 0, 1); err == nil {
		t.Error("a broken sound goes on")
	}
}
