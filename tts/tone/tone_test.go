package tone

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"parley/media"
	"parley/tts"
	"parley/tts/ttstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	ttstest.Run(t, ttstest.Options{New: func(testing.TB) tts.Voice { return Voice{} }})
}

// speak returns all samples, the words and the longest frame.
func speak(t testing.TB, phrases ...string) (pcm []int16, words []tts.Word, longest time.Duration) {
	t.Helper()
	for a, err := range (Voice{}).Speak(context.Background(), media.Of(phrases...)) {
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, a.PCM...)
		words = append(words, a.Words...)
		longest = max(longest, a.Duration())
	}
	return pcm, words, longest
}

func TestSpeech(t *testing.T) {
	pcm, words, longest := speak(t, "Hi there. ", "Incomprehensibilities!")
	if got, want := media.Samples(len(pcm), media.SpeakRate), 32*65*time.Millisecond; got != want {
		t.Errorf("32 characters lasted %v, want %v", got, want)
	}
	if longest > 200*time.Millisecond {
		t.Errorf("a frame of %v", longest)
	}
	want := "[{Hi 0s 130ms} {there. 195ms 585ms} {Incomprehensibilities! 650ms 2.08s}]"
	if got := fmt.Sprint(words); got != want {
		t.Errorf("words\n%s, want\n%s", got, want)
	}
}

// TestTone finds 440 Hz at −12 dBFS, and no step at the edges of frames and phrases.
func TestTone(t *testing.T) {
	pcm, _, _ := speak(t, "ab cd", "ef", " gh ")
	var sum float64
	crossings, steepest := 0, 0
	for i, s := range pcm {
		sum += float64(s) * float64(s)
		if i > 0 && pcm[i-1] < 0 && s >= 0 {
			crossings++
		}
		if i > 0 {
			steepest = max(steepest, int(s)-int(pcm[i-1]), int(pcm[i-1])-int(s))
		}
	}
	if db := 20 * math.Log10(math.Sqrt(sum/float64(len(pcm)))/math.MaxInt16); math.Abs(db+12) > 0.1 {
		t.Errorf("level %.2f dBFS", db)
	}
	if hz := float64(crossings) / media.Samples(len(pcm), media.SpeakRate).Seconds(); math.Abs(hz-440) > 2 {
		t.Errorf("%.1f Hz", hz)
	}
	if limit := int(math.Ceil(11640 * 2 * math.Pi * 440 / media.SpeakRate)); steepest > limit {
		t.Errorf("a step of %d, more than the sine's %d", steepest, limit)
	}
}

func FuzzSpeech(f *testing.F) {
	for _, s := range []string{"", " a", "a  b\n", "日本 語", "a\xff b", "\xff\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pcm, words, _ := speak(t, s)
		if want := utf8.RuneCountInString(s) * perRune; len(pcm) != want {
			t.Errorf("%d samples, want %d", len(pcm), want)
		}
		var said []string
		for _, w := range words {
			said = append(said, w.Text)
		}
		if got, want := strings.Join(said, " "), strings.Join(strings.Fields(s), " "); got != want {
			t.Errorf("words %q, want %q", got, want)
		}
	})
}

func BenchmarkSpeak(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for range (Voice{}).Speak(context.Background(), media.Of("The quick brown fox jumps over the lazy dog.")) {
		}
	}
}
