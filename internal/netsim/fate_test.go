package netsim

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/media"
)

func profile(t interface{ Fatal(...any) }, name string) Profile {
	p, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNamed(t *testing.T) {
	if _, err := Named("dialup"); err == nil || !strings.Contains(err.Error(), "lte-edge") {
		t.Errorf("%v", err)
	}
	all := Profiles()
	all[0].Name = "changed"
	if Profiles()[0].Name != "clean" || len(all) != 5 {
		t.Error("the table is not its own")
	}
}

// The fate of a packet asks for nothing but its own number: not for order, not for what was asked before.
func TestFateIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(Profiles()).Draw(t, "profile")
		seed, w := rapid.Uint64().Draw(t, "seed"), Way(rapid.IntRange(0, 1).Draw(t, "way"))
		n := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "n")
		at := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "at"))
		first := p.Fate(seed, w, n, at)
		for _, other := range rapid.SliceOfN(rapid.Int64(), 0, 5).Draw(t, "others") {
			p.Fate(seed, w, other, at)
		}
		if again := p.Fate(seed, w, n, at); again != first {
			t.Fatalf("%+v, then %+v", first, again)
		}
		most := p.Base + max(p.Noise, p.Stall.Most)
		if p.Overtaken > 0 {
			most += 45 * ms
		}
		if first.Delay < p.Base || first.Delay > most {
			t.Fatalf("%v is not between %v and %v", first.Delay, p.Base, most)
		}
		if p.Outage.Long == 0 && p.Fate(seed, w, n, at+time.Minute) != first {
			t.Fatal("the time matters without an outage")
		}
	})
}

// What a link delays arrives in order, whatever the seed; only packets of a profile with overtaking do not.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(Profiles()).Draw(t, "profile")
		p.Overtaken = 0
		seed, from := rapid.Uint64().Draw(t, "seed"), rapid.Int64().Draw(t, "from")
		var before time.Duration
		for i := range int64(200) {
			at := time.Duration(i)*media.FrameDuration + p.Fate(seed, Up, from+i, 0).Delay
			if i > 0 && at <= before {
				t.Fatalf("packet %d comes at %v, the one before at %v", i, at, before)
			}
			before = at
		}
	})
}

func TestShares(t *testing.T) {
	const n = 200_000
	for _, c := range []struct {
		name              string
		lost, burst       float64
		overtakes, delays float64 // shares: before one sent earlier, and later than 20 ms beyond the base
	}{
		{"clean", 0, 0, 0, 0},
		{"wifi", 0, 0, 0.013, 0.13},
		{"lte-edge", 0.03, 4, 0, 0.14},
		{"burst5", 0.05, 3, 0, 0},
		{"blackout2s", 0, 0, 0, 0},
	} {
		p := profile(t, c.name)
		var lost, bursts, overtakes, late float64
		var newest time.Duration
		was := false
		for i := range int64(n) {
			f := p.Fate(7, Up, i, 0)
			arrives := time.Duration(i)*media.FrameDuration + f.Delay
			if f.Lost {
				lost++
				if !was {
					bursts++
				}
			}
			if arrives < newest {
				overtakes++
			}
			if f.Delay-p.Base >= 20*ms {
				late++
			}
			was, newest = f.Lost, max(newest, arrives)
		}
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 0.1*want {
				t.Errorf("%s: %s %.4f, want %.4f", c.name, what, got, want)
			}
		}
		near("lost", lost/n, c.lost)
		near("burst", lost/max(1, bursts), c.burst)
		if math.Abs(overtakes/n-c.overtakes) > 0.003 || math.Abs(late/n-c.delays) > 0.04 {
			t.Errorf("%s: %.4f overtake, %.4f late", c.name, overtakes/n, late/n)
		}
	}
}

func TestSeedsAndDirectionsDiffer(t *testing.T) {
	p := profile(t, "burst5")
	same := func(a, b func(i int64) bool) (n int) {
		for i := range int64(10_000) {
			if a(i) && b(i) {
				n++
			}
		}
		return n
	}
	lost := func(seed uint64, w Way) func(int64) bool {
		return func(i int64) bool { return p.Fate(seed, w, i, 0).Lost }
	}
	if both := same(lost(1, Up), lost(1, Up)); both < 300 {
		t.Errorf("%d lost", both)
	}
	for _, other := range []func(int64) bool{lost(2, Up), lost(1, Down), lost(1^restSeed, Up)} {
		if both := same(lost(1, Up), other); both > 80 { // 25 by chance
			t.Errorf("%d of 10,000 packets are lost in both", both)
		}
	}
}

func TestLossAtItsEdges(t *testing.T) {
	for _, c := range []struct {
		loss Loss
		want float64
	}{{Loss{0, 3}, 0}, {Loss{1, 3}, 1}, {Loss{0.5, 0}, 0.5}, {Loss{0.9, 1}, 0.9}, {Loss{0.2, 10}, 0.2}} {
		n := 0
		for i := range int64(20_000) {
			if c.loss.hits(dice{seed: 3}, i) {
				n++
			}
		}
		if got := float64(n) / 20_000; math.Abs(got-c.want) > 0.03 {
			t.Errorf("%+v: %.3f", c.loss, got)
		}
	}
}

func TestOutage(t *testing.T) {
	o := Outage{First: 10 * time.Second, Long: 2 * time.Second, Every: 20 * time.Second}
	once := Outage{First: time.Second, Long: time.Second}
	for _, c := range []struct {
		o    Outage
		at   float64
		dead bool
	}{
		{o, 0, false}, {o, 9.99, false}, {o, 10, true}, {o, 11.99, true}, {o, 12, false}, {o, 29, false}, {o, 30.5, true}, {o, 32, false},
		{once, 1.5, true}, {once, 2, false}, {once, 3.5, false}, {Outage{}, 0, false}, {Outage{}, 1, false},
	} {
		if got := c.o.dead(time.Duration(c.at * float64(time.Second))); got != c.dead {
			t.Errorf("%+v at %v s: %v", c.o, c.at, got)
		}
	}
}
