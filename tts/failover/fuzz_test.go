package failover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// FuzzFaults: however the voices before the last one break, every word is said, in order, none twice if its times are known.
func FuzzFaults(f *testing.F) {
	for i := range byte(40) {
		f.Add([]byte{i, i * 3, i * 7}, []byte{i * 11, i * 2, i * 5, i * 13}, i)
	}
	f.Fuzz(func(t *testing.T, phrases, faults []byte, how byte) {
		if len(phrases) > 12 || len(faults) > 8 {
			return
		}
		var said []string
		n := 0
		for _, p := range phrases {
			var words []string
			for range p % 6 {
				words = append(words, fmt.Sprint("w", n, []string{"", ",", "."}[n%3]))
				n++
			}
			said = append(said, strings.Join(append(words, []string{"…", "", "!"}[:p%2]...), " "))
		}
		synctest.Test(t, func(t *testing.T) {
			var voices []tts.Voice
			words := how%2 == 0
			for pair := range slices.Chunk(faults, 2) {
				fault := fault{frame: int(pair[len(pair)-1] % 64)}
				ahead := pair[0]&16 > 0
				switch {
				case pair[0]%3 == 0:
					fault.err = errDown
				case pair[0]%3 == 1:
					fault.wait = time.Hour
				case ahead: // it has read all: only it knows that it has not said all
					fault.err = provider.ErrTruncated
				}
				voices = append(voices, &voice{fault: &fault, words: words, ahead: ahead, deaf: pair[0]&96 == 96, size: 100 + 37*int(pair[0])})
			}
			o := Options{}
			if how&2 > 0 {
				o.Hedge = 400 * ms
			}
			h := listen(t.Context(), t, newChain(t, o, append(voices, &voice{words: words, ahead: how&4 > 0})...), late(said, time.Duration(how)*10*ms), nil)
			got := h.whole()
			if !words {
				got = once(got)
			}
			var want []string
			for i := range n {
				want = append(want, fmt.Sprint("w", i))
			}
			if got != strings.Join(want, " ") || h.err != nil {
				t.Errorf("heard %q, %v\nwant %q; notes %q; runs %v", h.whole(), h.err, want, h.notes, h.runs)
			}
		})
	})
}

// Whatever the text and whatever words a voice tells of it: a place is in the text, and none lies before the one before.
func FuzzWords(f *testing.F) {
	f.Add("One, two three.|Four 4 five|", "One|two|twenty-one|three|four|five")
	f.Add("日本語です。 \xff e\u0301", "日本|です|\xff|é")
	f.Add("twenty-one 3.14 apples", "twenty|one|three|point|apples")
	f.Fuzz(func(t *testing.T, text, told string) {
		if len(text)+len(told) > 1000 {
			return
		}
		phrases := strings.Split(text, "|")
		at := func(i int) (string, bool) {
			if i >= len(phrases) {
				return "", false
			}
			return phrases[i], true
		}
		var w words
		last := place{}
		for i, word := range strings.Split(told, "|") {
			w.tell(tts.Word{Text: word, End: time.Duration(i) * time.Second}, place{phrase: len(phrases)}, at)
			if w.at.before(last) || w.at.phrase >= len(phrases) || w.at.byte > len(phrases[w.at.phrase]) {
				t.Fatalf("%+v after %+v", w.at, last)
			}
			last = w.at
		}
		if p, _ := w.until(time.Hour, place{}); len(w.told) > 0 && p != last {
			t.Errorf("at the end of all words it is at %+v, not at %+v", p, last)
		}
	})
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ text, told, rest string }{
		{"One, two three.", "One two", " three."},
		{"One, two three.", "one", " two three."},
		{"One, two three.", "", "One, two three."},
		{"I have 3 apples now", "I have three apples", " now"},
		{"I have 3 apples now", "I have three", " 3 apples now"},
		{"It is twenty-one now", "It is twenty", " twenty-one now"},
		{"It is twenty-one now", "It is twenty one", " now"},
		{"a b c d e f", "a f", " b c d e f"}, // too far
		{"no no no", "no no", " no"},
		{"Été ici", "été", " ici"},
	} {
		var w words
		for i, word := range strings.Fields(tt.told) {
			w.tell(tts.Word{Text: word, End: time.Duration(i+1) * time.Second}, place{phrase: 1}, func(int) (string, bool) { return tt.text, true })
		}
		p, _ := w.until(time.Hour, place{})
		if got := tt.text[p.byte:]; got != tt.rest {
			t.Errorf("%q of %q: %q is left, want %q", tt.told, tt.text, got, tt.rest)
		}
	}
}

func BenchmarkChainOfOne(b *testing.B) {
	phrases := text(30, 10)
	v := &voice{size: rate / 50}
	for name, v := range map[string]tts.Voice{"direct": v, "chain": newChain(b, Options{}, v), "hedge": newChain(b, Options{Hedge: time.Second}, v)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			frames := 0
			for range b.N {
				for _, err := range v.Speak(b.Context(), media.Of(phrases...)) {
					if err != nil {
						b.Fatal(err)
					}
					frames++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
		})
	}
}
