package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/media"
)

// State says how far a bundle has come.
type State string

// The states.
const (
	Live    State = "live"      // being written now
	Killed  State = "killed"    // its writer ended without an end: Recover it
	Closed  State = "closed"    // whole
	Rescued State = "recovered" // closed by Recover
)

// Report is what Verify found.
type Report struct {
	ID       string        `json:"id"`
	State    State         `json:"state"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"`
	Codec    media.Codec   `json:"codec,omitempty"`
	Up       Direction     `json:"up"`
	Down     Direction     `json:"down"`
	Log      LogCount      `json:"log"`
	Controls int           `json:"controls"` // RTCP packets
	Gaps     uint64        `json:"gaps"`     // entries that were lost while recording
	Paused   int           `json:"paused"`   // times
	Bytes    int64         `json:"bytes"`    // of packets and log
	Blobs    int64         `json:"blobs"`    // bytes, as stored
	Problems []string      `json:"problems,omitempty"`
}

// Direction is what Verify found of one.
type Direction struct {
	Packets int           `json:"packets"`
	Sound   time.Duration `json:"sound"`   // duration of the track
	Skew    float64       `json:"skew"`    // ppm: positive if the sender's clock is slow
	Classes Classes       `json:"classes"` // ns: received, recovered, concealed, DTX, muted, not captured
}

// LogCount counts the entries of the log.
type LogCount struct {
	Lines  int `json:"lines"`
	Scores int `json:"scores"`
	Blobs  int `json:"blobs"`
}

// inspector gathers a report.
type inspector struct {
	b     *Bundle
	r     *Report
	now   [kinds]time.Duration
	seq   [kinds]uint64
	any   [kinds]bool
	lost  [kinds]uint64   // told of by a Gap since the entry before
	blobs map[string]bool // looked at
}

// Verify reads all of a bundle and checks what must hold: manifest and files can be read from their first to their last
// byte, each file ends with an end whose hash is that of the file, times and numbers go forward and jump only where a gap
// is told of, every blob is there with the content of its name and nothing else is, both tracks last as long as the
// conversation, and the classes of their samples sum to that. What does not hold is in Problems; a bundle that was killed
// has at least one.
func (b *Bundle) Verify() Report {
	r := Report{ID: b.ID, State: b.State(), Start: b.Start, Codec: b.Codec, Duration: b.Duration()}
	v := &inspector{b: b, r: &r, blobs: map[string]bool{}}
	if b.bad != nil {
		v.problem(b.bad)
	}
	for _, name := range []string{packetsFile, logFile} {
		v.file(name)
	}
	v.folder()
	v.track(Up, &r.Up)
	v.track(Down, &r.Down)
	return r
}

func (v *inspector) problem(err error) { v.r.Problems = append(v.r.Problems, err.Error()) }

// file checks a file and counts what is in it.
func (v *inspector) file(name string) {
	f, size, err := v.b.open(name)
	if err != nil {
		v.problem(err)
		return
	}
	defer f.Close()
	v.r.Bytes += size
	ended := false
	read(name, f, size, func(c *chunk, e Entry, err error) bool {
		switch {
		case err != nil:
			v.problem(err)
		case ended:
			v.problem(&Damage{File: name, Offset: c.at, Reason: "there is something after the end"})
			return false
		case e.Kind == End:
			ended = true
			v.end(name, f, c, e)
		default:
			v.entry(name, c, e)
		}
		return true
	})
	if !ended {
		v.problem(&Damage{File: name, Offset: size, Reason: "it has no end: its writer was killed, or writes on; see recover"})
	}
}

// end compares the hash that an end tells with the file's.
func (v *inspector) end(name string, f *os.File, c *chunk, e Entry) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, c.at)); err != nil {
		v.problem(fmt.Errorf("read %s: %w", name, err))
	} else if !bytes.Equal(h.Sum(nil), e.Raw) {
		v.problem(&Damage{File: name, Offset: c.at, Reason: "the file's hash is not the one that its end tells"})
	}
}

// entry checks that an entry follows on.
func (v *inspector) entry(name string, c *chunk, e Entry) {
	switch e.Kind {
	case Gap:
		v.r.Gaps += e.Count
		if e.Of < kinds {
			v.lost[e.Of] += e.Count
		}
		return
	case Pause:
		if name == packetsFile { // the log tells of it too
			v.r.Paused++
		}
		return
	case Resume:
		v.any = [kinds]bool{}
		return
	}
	v.count(e)
	k := e.Kind
	if why := v.misfit(e); v.any[k] && why != "" {
		v.problem(&Damage{File: name, Offset: c.at, Reason: why})
	}
	if k == Line && !json.Valid(e.Raw) {
		v.problem(&Damage{File: name, Offset: c.at, Reason: fmt.Sprintf("line %d is not JSON", e.Seq)})
	}
	v.now[k], v.seq[k], v.any[k], v.lost[k] = e.Now, e.Seq, true, 0
}

// misfit says why an entry cannot follow the one before of its kind.
func (v *inspector) misfit(e Entry) string {
	k := e.Kind
	last := v.seq[k]
	switch {
	case e.Now < v.now[k]:
		return fmt.Sprintf("%v at %v after one at %v", k, e.Now, v.now[k])
	case (k == Up || k == Down) && e.Seq-last-1 > v.lost[k]:
		return fmt.Sprintf("%v %d after %d, and no gap is told of", k, e.Seq, last)
	case k == Line && e.Seq <= last:
		return fmt.Sprintf("%v %d after %d", k, e.Seq, last)
	}
	return ""
}

func (v *inspector) count(e Entry) {
	switch e.Kind {
	case Up:
		v.r.Up.Packets++
	case Down:
		v.r.Down.Packets++
	case RTCPUp, RTCPDown:
		v.r.Controls++
	case Line:
		v.r.Log.Lines++
	case Score:
		v.r.Log.Scores++
	case Blob:
		v.r.Log.Blobs++
		if v.blobs[e.Name] {
			return
		}
		v.blobs[e.Name] = true
		if content, err := v.b.Blob(e.Name); err != nil {
			v.problem(err)
		} else if uint64(len(content)) != e.Count {
			v.problem(&Damage{File: filepath.Join(blobsDir, e.Name), Offset: int64(len(content)), Reason: fmt.Sprintf("it should have %d bytes", e.Count)})
		}
	}
}

// folder looks for files that are not part of a recording, and sums up the blobs.
func (v *inspector) folder() {
	err := fs.WalkDir(v.b.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (path == "." || path == blobsDir) {
			return err
		}
		dir, name := filepath.Split(path)
		switch {
		case dir == "" && (name == manifestFile || name == packetsFile || name == logFile || strings.HasSuffix(name, tornSuffix)):
		case dir == blobsDir+"/" && d.Type().IsRegular():
			if info, err := d.Info(); err == nil {
				v.r.Blobs += info.Size()
			}
		default:
			v.problem(fmt.Errorf("%.120q is no part of a recording", path))
			if d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		v.problem(fmt.Errorf("list recording: %w", err))
	}
}

// track places a direction without decoding it.
func (v *inspector) track(k Kind, d *Direction) {
	const rate = media.ClockRate
	var drift skew
	total := 0
	var classed [classes]int
	v.b.track(k, nil, rate, &drift, func(p Piece) bool {
		total += len(p.PCM)
		classed[p.Class] += len(p.PCM)
		return true
	})
	for c, n := range classed {
		d.Classes[c] = media.Samples(n, rate)
	}
	d.Sound, d.Skew = media.Samples(total, rate), drift.ppm()
	if off := d.Sound - v.r.Duration; off.Abs() > media.FrameDuration {
		v.problem(fmt.Errorf("track %v lasts %v, the conversation %v", k, d.Sound, v.r.Duration))
	}
	if off := d.Classes.Sum() - d.Sound; off.Abs() > time.Microsecond {
		v.problem(fmt.Errorf("the classes of track %v sum to %v, it lasts %v", k, d.Classes.Sum(), d.Sound))
	}
}
