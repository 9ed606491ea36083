package ending

import (
	"math"
	"strings"
	"testing"
)

// A sentence is told from its beginning.
func TestOdds(t *testing.T) {
	for _, c := range []struct{ begin, rest string }{
		{"why is the", "sky blue"},
		{"when does the next train to berlin", "leave"},
		{"set a timer for ten", "minutes"},
		{"i would like a table for", "two tomorrow"},
		{"i would like to", "order a pizza"},
		{"can you tell me what", "the weather is like today"},
		{"my name", "is anna"},
		{"tell me", "a joke"},
		{"the weather", "is nice today"},
		{"thank you very", "much"},
		{"i think that", "i have lost my card"},
		{"what's", "the time"},
		{"please send it to my", "office"},
		{"how do i get from the station to the", "hotel"},
	} {
		part, whole := Odds(strings.Fields(c.begin)), Odds(strings.Fields(c.begin+" "+c.rest))
		if part >= whole || part >= 1 {
			t.Errorf("%q has odds of %.2f, with %q %.2f", c.begin, part, c.rest, whole)
		}
	}
}

func TestOddsOfWhatIsNotKnown(t *testing.T) {
	for _, text := range []string{"", "wo ist der bahnhof", "où est la gare", "xyzzy plugh", "駅 は どこ です か"} {
		if got := Odds(strings.Fields(text)); got != 1 {
			t.Errorf("%q has odds of %v", text, got)
		}
	}
}

// The results are powers of two by sixteenths, from their table, so that they are the same on every computer.
func TestOddsAreExact(t *testing.T) {
	for i, p := range parts {
		if want := math.Pow(2, float64(i)/unit); math.Abs(p-want) > 1e-15 {
			t.Errorf("part %d is %v, want %v", i, p, want)
		}
	}
	if len(weights) != buckets {
		t.Errorf("%d weights, want %d", len(weights), buckets)
	}
}

func FuzzOdds(f *testing.F) {
	f.Add("what is the time")
	f.Add("a\x00 \xff the the the")
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Fields(text)
		got := Odds(words)
		if !(got >= 1.0/256 && got <= 256) || got != Odds(words) {
			t.Errorf("%q has odds of %v", text, got)
		}
	})
}

func BenchmarkOdds(b *testing.B) {
	words := strings.Fields("i would like to know when the next train to the airport leaves from here")
	b.ReportAllocs()
	for b.Loop() {
		Odds(words)
	}
}
