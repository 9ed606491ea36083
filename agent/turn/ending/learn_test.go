package ending

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var learn = flag.String("learn", "", "learn the table from this file, a sentence a line, and write weights.bin")

// TestLearn makes the table anew: a file of sentences, in lower case and without marks, one in ten of which is kept to tell how well it does.
//
//	go test ./agent/turn/ending -run Learn -learn sentences.txt -v -timeout 60m
func TestLearn(t *testing.T) {
	if *learn == "" {
		t.Skip("it needs a file of sentences: -learn")
	}
	f, err := os.Open(*learn)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var some, kept []example
	for in := bufio.NewScanner(f); in.Scan(); {
		words := strings.Fields(in.Text())
		if n := len(words); n < 1 || n > 60 {
			continue
		}
		all := []example{{words: words, over: true}}
		for _, i := range rng.Perm(len(words) - 1)[:min(3, len(words)-1)] {
			all = append(all, example{words: words[:i+1]})
		}
		if bucket('k', words...)%10 == 0 {
			kept = append(kept, all...)
		} else {
			some = append(some, all...)
		}
	}
	w := fit(some, rng)
	weights = quantized(w)
	t.Logf("%d examples; of %d others: %v", len(some), len(kept), measure(kept))
	if err := os.WriteFile("weights.bin", []byte(weights), 0o644); err != nil {
		t.Fatal(err)
	}
}

// example is a sentence or its beginning.
type example struct {
	words []string
	over  bool
}

// fit is logistic regression by stochastic gradient descent with a rate for each weight (AdaGrad: Duchi, Hazan and Singer, 2011).
func fit(all []example, rng *rand.Rand) []float64 {
	w := make([]float64, buckets)
	over := 0.0
	for _, e := range all {
		if e.over {
			over++
		}
	}
	weight := (float64(len(all)) - over) / over // so that the odds are even where the words tell nothing
	var at []uint32
	for round := range 6 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		rate := 0.04 / float64(1+round)
		for _, e := range all {
			at = at[:0]
			sum := 0.0
			features(e.words, func(b uint32) { at = append(at, b); sum += w[b] })
			d := 1 / (1 + math.Exp(-sum))
			if e.over {
				d = weight * (d - 1)
			}
			for _, b := range at {
				w[b] -= rate * (d + 2e-6*w[b])
			}
		}
	}
	return w
}

// quantized are weights in steps of 1/unit of a doubling.
func quantized(w []float64) string {
	b := make([]byte, len(w))
	for i, v := range w {
		b[i] = byte(int8(max(-127, min(127, math.Round(v*unit/math.Ln2)))))
	}
	return string(b)
}

// quality is how well sentences are told from their beginnings.
type quality struct {
	area  float64    // under the ROC curve
	false [3]float64 // share of beginnings that score like the upper 50, 80 and 95 % of the sentences
}

func (q quality) String() string {
	return fmt.Sprintf("area under the curve %.3f; beginnings above 50, 80, 95 %% of the sentences: %.1f, %.1f, %.1f %%", q.area, 100*q.false[0], 100*q.false[1], 100*q.false[2])
}

func measure(all []example) (q quality) {
	type scored struct {
		odds float64
		over bool
	}
	var s []scored
	var whole []float64
	for _, e := range all {
		v := Odds(e.words)
		s = append(s, scored{v, e.over})
		if e.over {
			whole = append(whole, v)
		}
	}
	slices.SortFunc(s, func(a, b scored) int {
		switch {
		case a.odds < b.odds:
			return -1
		case a.odds > b.odds:
			return 1
		}
		return 0
	})
	// ties count half: the mean rank of equal scores
	var ranks float64
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && s[j].odds == s[i].odds {
			j++
		}
		for k := i; k < j; k++ {
			if s[k].over {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	p, n := float64(len(whole)), float64(len(s)-len(whole))
	q.area = (ranks - p*(p+1)/2) / (p * n)
	slices.Sort(whole)
	for i, share := range []float64{0.5, 0.2, 0.05} {
		at := whole[int(share*float64(len(whole)))]
		for _, v := range s {
			if !v.over && v.odds >= at {
				q.false[i]++
			}
		}
		q.false[i] /= n
	}
	return q
}
