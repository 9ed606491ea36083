package call

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"parley/internal/caller"
	"parley/internal/wav"
	"parley/media/resample"
)

// line is one thing to say or to type.
type line struct {
	name string
	pcm  []int16 // at caller.Rate; nil: it is typed
	text string
	when when
}

// when is the time to say it: after the agent has finished, at an absolute time, or some time after the agent began.
type when struct {
	kind whenKind
	d    time.Duration
}

type whenKind uint8

const (
	after whenKind = iota
	absolute
	began
)

// parseSay splits FILE[@WHEN]. What follows an @ and is no WHEN belongs to the file's name.
func parseSay(s string) (file string, w when, err error) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return s, when{}, nil
	}
	w, err = parseWhen(s[i+1:])
	switch {
	case err == nil:
		return s[:i], w, nil
	case strings.EqualFold(filepath.Ext(s), ".wav"):
		return s, when{}, nil
	}
	return "", when{}, err
}

func parseWhen(s string) (when, error) {
	if s == "after" {
		return when{}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return when{}, fmt.Errorf("when is %q? It is after, +500ms (after the agent began) or 1.5s (after the connection)", s)
	}
	if strings.HasPrefix(s, "+") {
		return when{began, d}, nil
	}
	return when{absolute, d}, nil
}

// lines reads all that is to be said before the call is made.
func (cmd *Cmd) lines() ([]line, error) {
	var all []line
	for _, s := range cmd.Say {
		file, w, err := parseSay(s)
		if err != nil {
			return nil, fmt.Errorf("--say %s: %w", s, err)
		}
		pcm, err := speech(file)
		if err != nil {
			return nil, err
		}
		all = append(all, line{name: file, pcm: pcm, when: w})
	}
	for _, text := range cmd.Type {
		all = append(all, line{name: fmt.Sprintf("%q", text), text: text})
	}
	if len(all) == 0 {
		return nil, errors.New("nothing to say: give --say FILE or --type TEXT")
	}
	return all, nil
}

// speech is a WAV file at caller.Rate.
func speech(path string) ([]int16, error) {
	a, err := wav.ReadFile(path, longestFile)
	if err != nil {
		return nil, err
	}
	if len(a.PCM) == 0 {
		return nil, fmt.Errorf("read %s: it holds no sound at all", path)
	}
	if err := resample.Check(a.Rate, caller.Rate); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	r := resample.New(a.Rate, caller.Rate)
	return r.Flush(r.Process(a.PCM, nil)), nil
}
