package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"time"

	"parley/media"
)

// Schema is the version of the format that this package writes, and the newest it reads.
const Schema = 1

// The files of a bundle. Blobs lie in a folder, each named by its hash.
const (
	manifestFile = "manifest.json"
	packetsFile  = "packets"
	logFile      = "log"
	blobsDir     = "blobs"
	suffix       = ".conv"

	manifestMost = 1 << 20 // bytes of a manifest
)

// ErrVersion says that a bundle was written by a newer program: update this one.
var ErrVersion = errors.New("a newer format than this program reads")

// Manifest says what a bundle is. It is written once, before anything else.
type Manifest struct {
	Schema int         `json:"schema"` // filled in by New
	ID     string      `json:"id"`     // letters, digits, '-' and '_', at most 64
	Start  time.Time   `json:"start"`  // wall time at zero of the session clock
	Build  Build       `json:"build"`
	Codec  media.Codec `json:"codec,omitempty"`  // of both directions; empty is Opus
	Events uint8       `json:"events,omitempty"` // payload type of telephone-event packets; 0: there are none
	// Clock says how the session clock was read and how well its zero is known as wall time.
	Clock Clock `json:"clock"`
	// Engines names the parts of the conversation that could have been others: "stt", "llm", "tts", "vad".
	Engines map[string]string `json:"engines,omitempty"`
	// Config is the configuration of the conversation as the caller of New chose to write it: no secrets.
	Config json.RawMessage `json:"config,omitempty"`
}

// Clock describes the session clock.
type Clock struct {
	Source      string        `json:"source,omitempty"`      // "monotonic"; a replay says "virtual"
	Uncertainty time.Duration `json:"uncertainty,omitempty"` // of Start, ns
	Rate        int           `json:"rate"`                  // of the RTP timestamps; filled in by New
}

// Build is the program that wrote a bundle.
type Build struct {
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go,omitempty"`
}

// ThisBuild is the running program's.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{}
	}
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// validID is what an id may be: it names a folder.
var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Folder is the name of the folder of the bundle with this id. The error is that of an id which may not name one.
func Folder(id string) (string, error) {
	if !validID.MatchString(id) {
		return "", fmt.Errorf("name recording %.80q: an id has 1 to 64 letters, digits, '-' and '_'", id)
	}
	return id + suffix, nil
}

// parseManifest reads a manifest. What can be read of it is returned with the error too.
func parseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		var at int64
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			at = syntax.Offset
		case errors.As(err, &kind):
			at = kind.Offset
		}
		return m, &Damage{File: manifestFile, Offset: at, Reason: err.Error()}
	}
	if m.Schema > Schema {
		return m, fmt.Errorf("read %s: schema %d: %w", manifestFile, m.Schema, ErrVersion)
	}
	if m.Schema < 1 || !validID.MatchString(m.ID) {
		return m, &Damage{File: manifestFile, Reason: fmt.Sprintf("schema %d and id %.80q are not those of a recording", m.Schema, m.ID)}
	}
	switch m.Codec {
	case "", media.Opus, media.G722, media.PCMU, media.PCMA:
		return m, nil
	}
	return m, &Damage{File: manifestFile, Reason: fmt.Sprintf("unknown codec %.20q", string(m.Codec))}
}

// readManifest reads the manifest of an open folder.
func readManifest(root *os.Root) (Manifest, error) {
	f, _, err := openFile(root, manifestFile)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, manifestMost+1))
	switch {
	case err != nil:
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	case len(b) > manifestMost:
		return Manifest{}, &Damage{File: manifestFile, Offset: manifestMost, Reason: "longer than any manifest"}
	}
	return parseManifest(b)
}

// partSuffix is that of a file that is not whole yet.
const partSuffix = ".part"

// writeWhole writes a file of dir so that it is there whole or not at all, also after a power cut.
func writeWhole(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	if err := os.Remove(path + partSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path+partSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // what a link leads to is not ours
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+partSuffix, path)
	}
	if err == nil {
		return syncDir(dir)
	}
	return errors.Join(err, os.Remove(path+partSuffix))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
