package corpus

import (
	"compress/gzip"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/wav"
	"parley/media"
)

// tone is a sine at dBFS between silences, with an offset on all of it.
func tone(before, long, after time.Duration, dBFS float64, offset int16) []int16 {
	at := func(d time.Duration) int { return int(d.Seconds() * media.ListenRate) }
	pcm := make([]int16, at(before)+at(long)+at(after))
	amp := math.Pow(10, dBFS/20) * math.Sqrt2 * 32768
	for i := range pcm {
		if i >= at(before) && i < at(before+long) {
			pcm[i] = int16(amp * math.Sin(2*math.Pi*300*float64(i)/media.ListenRate))
		}
		pcm[i] += offset
	}
	return pcm
}

func TestLoadHumanSpeech(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the speech of Debian packages")
	}
	const shortest, longest = 1500 * time.Millisecond, 4 * time.Second
	all, err := Load(shortest, longest)
	if err != nil {
		t.Fatal(err)
	}
	speakers := map[string]int{}
	for _, u := range all {
		speakers[u.Speaker]++
		d := u.Duration()
		if d < shortest || d > longest || u.Rate != media.ListenRate || len(normalize(u.Text, false)) == 0 {
			t.Errorf("%s: %v at %d: %q", u.Name, d, u.Rate, u.Text)
		}
		ends := []float64{wav.Level(u.PCM[:160]), wav.Level(u.PCM[len(u.PCM)-160:])}
		if slices.Min(ends) < edgeLevel-3 {
			t.Errorf("%s: edges at %.1f dBFS", u.Name, ends)
		}
	}
	if speakers["LibriVox reader"] < 2 || speakers["card player"] < 2 || speakers["Allison"] < 100 {
		t.Errorf("too few utterances: %v", speakers)
	}
	if _, err := Load(time.Hour, 2*time.Hour); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("utterances of an hour: %v", err)
	}
}

// fake lays out the two packages with a tone in each file.
func fake(t *testing.T) string {
	root := t.TempDir()
	write := func(path string, b []byte) {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	speech := func(path string, rate int) {
		write(path, nil)
		w, err := wav.Create(filepath.Join(root, path), rate)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(tone(time.Second/4, time.Second, time.Second/4, -30, 0)), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	write(sphinxFolder+"/librivox/transcription", []byte("<s> he was not </s> (a-1)\nrubbish\n"))
	write(sphinxFolder+"/cards/cards.transcription", []byte("<s> five five  </s> (004)\n"))
	write(sphinxFolder+"/goforward.raw", make([]byte, 32000))
	speech(sphinxFolder+"/librivox/a-1.wav", 16000)
	speech(sphinxFolder+"/cards/004.wav", 16000)
	speech(asteriskFolder+"/b.wav", 16000)
	speech(asteriskFolder+"/digits/a.wav", 16000)
	speech(asteriskFolder+"/beep.wav", 16000)
	speech(asteriskFolder+"/vm-savefolder.wav", 16000)
	list := filepath.Join(root, promptsFile)
	if err := os.MkdirAll(filepath.Dir(list), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(list)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte("; a comment: yes\n\nb: Bee.\nbeep: [a beep]\ndigits/a: Eh\nnowhere: Not there.\nvm-savefolder: Which folder?\n"))
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestLoadLayout(t *testing.T) {
	root := fake(t)
	all, err := load(root, 900*time.Millisecond, 1100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range all {
		got = append(got, u.Name+"="+u.Text)
		if d := u.Duration(); d < 990*time.Millisecond || d > 1010*time.Millisecond {
			t.Errorf("%s lasts %v", u.Name, d)
		}
	}
	again, err := load(root, 900*time.Millisecond, 1100*time.Millisecond)
	if err != nil || !slices.EqualFunc(all, again, func(a, b Utterance) bool { return a.Name == b.Name && slices.Equal(a.PCM, b.PCM) }) {
		t.Errorf("a second load differs, %v", err)
	}
	want := []string{"librivox/a-1=he was not", "cards/004=five five", "b=Bee.", "digits/a=Eh", "vm-savefolder=Which folder should I save this message to?"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamed(t *testing.T) {
	root := fake(t)
	got, err := named(root, []string{"digits/a", "cards/004", "digits/a"})
	if err != nil || len(got) != 2 || got["digits/a"].Text != "Eh" || got["cards/004"].Speaker != "card player" || got["digits/a"].Duration() < 990*time.Millisecond {
		t.Errorf("got %d recordings, %v", len(got), err)
	}
	if _, err := named(root, []string{"digits/b"}); err == nil || !strings.Contains(err.Error(), `"digits/b"`) {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := named(root, []string{"goforward"}); err == nil || !strings.Contains(err.Error(), "no speech") {
		t.Errorf("silence: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(root, sphinxFolder)); err != nil {
		t.Fatal(err)
	}
	if _, err := named(root, nil); !errors.Is(err, ErrMissing) {
		t.Errorf("without a package: %v", err)
	}
}

func TestMissingNamesThePackage(t *testing.T) {
	for _, c := range []struct{ gone, pack string }{
		{sphinxFolder, "pocketsphinx-testdata"},
		{sphinxFolder + "/cards/004.wav", "pocketsphinx-testdata"},
		{asteriskFolder, "asterisk-core-sounds-en-wav"},
		{promptsFile, "asterisk-core-sounds-en"},
	} {
		root := fake(t)
		if err := os.RemoveAll(filepath.Join(root, c.gone)); err != nil {
			t.Fatal(err)
		}
		_, err := load(root, 0, time.Hour)
		if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "apt-get install "+c.pack+")") {
			t.Errorf("without %s: %v", c.gone, err)
		}
	}
	root := fake(t)
	if err := os.WriteFile(filepath.Join(root, promptsFile), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(root, 0, time.Hour); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("with a broken list: %v", err)
	}
}

func TestTrimAndNormalize(t *testing.T) {
	const ms = time.Millisecond
	in := tone(300*ms, 500*ms, 200*ms, -40, 400)
	out := Trim(Normalize(in, media.ListenRate, -20), media.ListenRate)
	if d := media.Samples(len(out), media.ListenRate); d < 500*ms || d > 520*ms {
		t.Errorf("trimmed to %v, want 500ms", d)
	}
	if l := wav.Level(out); math.Abs(l+20) > 0.2 {
		t.Errorf("level %.2f dBFS, want -20", l)
	}
	if in[0] != 400 {
		t.Error("Normalize changed its input")
	}
	clicks := tone(100*ms, 200*ms, 100*ms, -20, 0)
	clicks[160], clicks[len(clicks)-160] = 20000, -20000
	if d := media.Samples(len(Trim(clicks, media.ListenRate)), media.ListenRate); d != 200*ms {
		t.Errorf("with clicks trimmed to %v, want 200ms", d)
	}
	rumble := tone(0, 400*ms, 0, -40, 0)
	for i := range rumble {
		rumble[i] += int16(2000 * math.Sin(2*math.Pi*20*float64(i)/media.ListenRate))
	}
	if l := wav.Level(highPass(rumble, media.ListenRate)[3200:]); l > -36 || l < -40.5 {
		t.Errorf("rumble of -27 dBFS leaves %.1f dBFS", l)
	}
	loud := Normalize(tone(0, 100*ms, 0, -20, 0), media.ListenRate, 0)
	if m := slices.Max(loud); m > peak {
		t.Errorf("peak %d", m)
	}
	if got := Trim(make([]int16, 1000), media.ListenRate); got != nil {
		t.Errorf("silence trimmed to %d samples", len(got))
	}
	if got := Normalize(nil, media.ListenRate, -20); len(got) != 0 {
		t.Errorf("nothing normalized to %d samples", len(got))
	}
	if got := Normalize(make([]int16, 1000), media.ListenRate, -20); slices.Max(got) != 0 {
		t.Error("silence normalized to sound")
	}
}

func TestJoinSplitMix(t *testing.T) {
	const ms = time.Millisecond
	a := Utterance{"a", "one", "Ann", media.ListenRate, tone(0, 500*ms, 0, -20, 0)}
	b := Utterance{"b", "two", "Bob", media.ListenRate, tone(0, 400*ms, 0, -20, 0)}
	u := Join(350*ms, a, b)
	if u.Duration() != 1250*ms || u.Text != "one two" || u.Name != "a+b" || u.Speaker != "Ann and Bob" {
		t.Errorf("%s, %q by %q, %v", u.Name, u.Text, u.Speaker, u.Duration())
	}
	if hole := u.PCM[8000:13600]; wav.Level(hole) != -120 || len(Trim(u.PCM, u.Rate)) != len(u.PCM) {
		t.Errorf("the pause is at %.1f dBFS", wav.Level(hole))
	}
	if a.Duration() != 500*ms {
		t.Error("Join changed its input")
	}
	first, second := Split(u)
	if first.Duration() != 500*ms || second.Duration() != 400*ms || first.Text+second.Text != "one two" {
		t.Errorf("split into %v %q and %v %q", first.Duration(), first.Text, second.Duration(), second.Text)
	}
	if got := Mix([]int16{1, 2, 32767}, []int16{10, 20}); !slices.Equal(got, []int16{11, 22, 32767}) {
		t.Errorf("mixed to %v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("two rates joined")
		}
	}()
	Join(0, a, Utterance{Rate: 8000})
}

func TestSynthetic(t *testing.T) {
	for _, c := range []struct {
		u           Utterance
		least, most time.Duration
	}{
		{Cough(), 200 * time.Millisecond, 500 * time.Millisecond},
		{MmHm(), 400 * time.Millisecond, 600 * time.Millisecond},
	} {
		if !strings.HasPrefix(c.u.Name, "synthetic") || c.u.Speaker != "synthetic" {
			t.Errorf("%q by %q does not say that it is synthesized", c.u.Name, c.u.Speaker)
		}
		if d := c.u.Duration(); d < c.least || d > c.most {
			t.Errorf("%s lasts %v", c.u.Name, d)
		}
		if l := wav.Level(c.u.PCM); l < -30 || l > -15 {
			t.Errorf("%s has %.1f dBFS", c.u.Name, l)
		}
	}
	noise := PinkNoise(time.Second, -50, 3)
	if l := wav.Level(noise); math.Abs(l+50) > 0.5 || !slices.Equal(noise, PinkNoise(time.Second, -50, 3)) {
		t.Errorf("noise at %.1f dBFS, or different each time", l)
	}
	if slices.Equal(noise, PinkNoise(time.Second, -50, 4)) {
		t.Error("the seed does nothing")
	}
}
