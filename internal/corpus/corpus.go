// Package corpus is human speech with transcripts, for tests and benchmarks: the recordings in two Debian packages,
// ways to compose dialogs from them with exact pauses, and the word error rate of what was heard.
//
// No package holds a cough, a backchannel or a noise that may be used freely; [Cough], [MmHm] and [PinkNoise] make
// them, and their names say so.
package corpus

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"parley/internal/wav"
	"parley/media"
	"parley/media/resample"
)

// Utterance is something said: mono audio and its words.
type Utterance struct {
	Name    string // where it is from, as "cards/001"
	Text    string
	Speaker string
	Rate    int // samples a second
	PCM     []int16
}

// Duration is how long it lasts.
func (u Utterance) Duration() time.Duration { return media.Samples(len(u.PCM), u.Rate) }

// ErrMissing says that the speech is not installed. Its text names the Debian package.
var ErrMissing = errors.New("no human speech to test with")

// The two packages and where they put things.
const (
	sphinxPackage   = "pocketsphinx-testdata"
	sphinxFolder    = "usr/share/pocketsphinx/test/data"
	asteriskPackage = "asterisk-core-sounds-en-wav"
	asteriskFolder  = "usr/share/asterisk/sounds/en_US_f_Allison"
	promptsPackage  = "asterisk-core-sounds-en"
	promptsFile     = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
)

// source is a recording before it is read.
type source struct{ name, path, text, speaker, pack string }

// Load reads the utterances whose speech lasts from min to max, first the five speakers of pocketsphinx-testdata
// (16 kHz), then the prompts of asterisk-core-sounds-en (8 kHz, one voice), in the same order each time. All have
// [media.ListenRate], speech at −20 dBFS, no offset, and begin and end where the level passes −45 dBFS. The error
// is [ErrMissing] if a package is not installed.
func Load(min, max time.Duration) ([]Utterance, error) { return load("/", min, max) }

func load(root string, min, max time.Duration) ([]Utterance, error) {
	sphinx, err := sphinxSources(root)
	if err != nil {
		return nil, err
	}
	asterisk, err := asteriskSources(root)
	if err != nil {
		return nil, err
	}
	var all []Utterance
	for _, s := range append(sphinx, asterisk...) {
		u, err := s.load(min, max)
		if err != nil {
			return nil, err
		}
		if d := u.Duration(); d > 0 && d >= min && d <= max {
			all = append(all, u)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no utterance lasts from %v to %v", min, max)
	}
	return all, nil
}

// Named reads the recordings of the given names, as [Load] does. An unknown name is an error.
func Named(names ...string) (map[string]Utterance, error) { return named("/", names) }

func named(root string, names []string) (map[string]Utterance, error) {
	sphinx, err := sphinxSources(root)
	if err != nil {
		return nil, err
	}
	asterisk, err := asteriskSources(root)
	if err != nil {
		return nil, err
	}
	known := map[string]source{}
	for _, s := range append(sphinx, asterisk...) {
		known[s.name] = s
	}
	found := map[string]Utterance{}
	for _, n := range names {
		s, ok := known[n]
		if !ok {
			return nil, fmt.Errorf("no recording with a transcript is named %q", n)
		}
		if found[n].PCM != nil {
			continue
		}
		if found[n], err = s.load(0, time.Hour); err != nil {
			return nil, err
		}
		if len(found[n].PCM) == 0 {
			return nil, fmt.Errorf("the recording %q holds no speech", n)
		}
	}
	return found, nil
}

// load reads a recording; one that cannot have the wanted length comes back empty.
func (s source) load(min, max time.Duration) (Utterance, error) {
	u := Utterance{Name: s.name, Text: s.text, Speaker: s.speaker, Rate: media.ListenRate}
	a, err := read(s.path)
	if err != nil {
		return u, missing(err, s.pack)
	}
	if a.Duration() < min {
		return u, nil
	}
	if a.PCM = Trim(Normalize(a.PCM, a.Rate, speechLevel), a.Rate); a.Duration() > max {
		return u, nil
	}
	r := resample.New(a.Rate, u.Rate)
	u.PCM = Trim(r.Flush(r.Process(a.PCM, nil)), u.Rate)
	return u, nil
}

// read takes a WAV file or, named .raw, bare 16 kHz samples.
func read(path string) (wav.Audio, error) {
	const longest = 10 * time.Minute
	if filepath.Ext(path) != ".raw" {
		return wav.ReadFile(path, longest)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return wav.Audio{}, err
	}
	a := wav.Audio{Rate: 16000, PCM: make([]int16, len(b)/2)}
	for i := range a.PCM {
		a.PCM[i] = int16(uint16(b[2*i]) | uint16(b[2*i+1])<<8)
	}
	return a, nil
}

// sphinxSources lists the recordings of pocketsphinx-testdata: lines of "<s> text </s> (file)".
func sphinxSources(root string) ([]source, error) {
	folder := filepath.Join(root, sphinxFolder)
	var all []source
	for _, set := range []struct{ folder, list, speaker string }{
		{"librivox", "transcription", "LibriVox reader"},
		{"cards", "cards.transcription", "card player"},
	} {
		b, err := os.ReadFile(filepath.Join(folder, set.folder, set.list))
		if err != nil {
			return nil, missing(err, sphinxPackage)
		}
		for line := range strings.Lines(string(b)) {
			text, name, ok := strings.Cut(line, "</s>")
			if !ok {
				continue
			}
			name = set.folder + "/" + strings.Trim(name, " ()\n")
			text = strings.TrimSpace(strings.TrimPrefix(text, "<s>"))
			all = append(all, source{name, filepath.Join(folder, name+".wav"), text, set.speaker, sphinxPackage})
		}
	}
	return append(all, source{"goforward", filepath.Join(folder, "goforward.raw"), "go forward ten meters", "robot driver", sphinxPackage}), nil
}

// corrected are prompts that say something else than the package's list.
var corrected = map[string]string{
	"vm-savefolder": "Which folder should I save this message to?", // the list: the message
}

// asteriskSources lists the prompts: lines of "name: text". Those with signs in the text are left out: it does not
// tell what is said.
func asteriskSources(root string) ([]source, error) {
	f, err := os.Open(filepath.Join(root, promptsFile))
	if err != nil {
		return nil, missing(err, promptsPackage)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", promptsFile, err)
	}
	folder := filepath.Join(root, asteriskFolder)
	if _, err := os.Stat(folder); err != nil {
		return nil, missing(err, asteriskPackage)
	}
	all, err := prompts(z, folder)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", promptsFile, err)
	}
	return all, nil
}

func prompts(r io.Reader, folder string) ([]source, error) {
	var all []source
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), ": ")
		if !ok || strings.HasPrefix(name, ";") || strings.ContainsAny(text, "[]<>()*#@") {
			continue
		}
		if said, ok := corrected[name]; ok {
			text = said
		}
		path := filepath.Join(folder, name+".wav")
		if _, err := os.Stat(path); err == nil {
			all = append(all, source{name, path, strings.TrimSpace(text), "Allison", asteriskPackage})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all, lines.Err()
}

func missing(err error, pack string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: install the Debian package %s (apt-get install %s): %w", ErrMissing, pack, pack, err)
}
