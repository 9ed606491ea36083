package jitter

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parley/internal/netsim"
	"parley/media"
)

// rule is a way to choose how long a hole is waited for beyond the expected arrival of what is missing.
type rule struct {
	name  string
	learn func(late time.Duration, overtaken bool) // a packet came this much later than one that nothing held up
	depth func(p *pace) time.Duration
}

// histogram forgets: each packet weighs a little less than the one after it.
type histogram struct {
	bins [maxDepth/(5*ms) + 1]float64
	sum  float64
}

func (h *histogram) add(d time.Duration, keep float64) {
	for i := range h.bins {
		h.bins[i] *= keep
	}
	h.bins[min(max(d, 0)/(5*ms), maxDepth/(5*ms))]++
	h.sum = h.sum*keep + 1
}

// quantile is the delay that a share of q does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	sum := 0.0
	for i, n := range h.bins {
		if sum += n; sum >= q*h.sum {
			return time.Duration(i+1) * 5 * ms
		}
	}
	return maxDepth
}

// all looks at every packet: one in order is not late.
func all(q, keep float64) rule {
	h := &histogram{}
	return rule{
		name: fmt.Sprintf("%g quantile, in order is 0, %.0f packets", q, 1/(1-keep)),
		learn: func(late time.Duration, overtaken bool) {
			if !overtaken {
				late = -1
			}
			h.add(late+1, keep)
		},
		depth: func(*pace) time.Duration { return min(max(h.quantile(q), minDepth), maxDepth) },
	}
}

// spread looks at the delay of every packet, as a buffer before a loudspeaker must.
func spread(q, keep float64) rule {
	h := &histogram{}
	return rule{
		name:  fmt.Sprintf("%g quantile of all delays, %.0f packets", q, 1/(1-keep)),
		learn: func(late time.Duration, _ bool) { h.add(late, keep) },
		depth: func(*pace) time.Duration { return min(max(h.quantile(q), minDepth), maxDepth) },
	}
}

// those looks at overtaken packets only.
func those(q, keep float64) rule {
	h := &histogram{}
	return rule{
		name: fmt.Sprintf("%g quantile of overtaken, %.0f of them", q, 1/(1-keep)),
		learn: func(late time.Duration, overtaken bool) {
			if overtaken {
				h.add(late, keep)
			}
		},
		depth: func(*pace) time.Duration { return min(max(h.quantile(q), minDepth), maxDepth) },
	}
}

func present() rule {
	return rule{name: "greatest of overtaken, 1 to 2 s", learn: func(time.Duration, bool) {}, depth: (*pace).depth}
}

// path is the arrivals of packets sent each 20 ms; a negative one is lost.
type path struct {
	name   string
	arrive []time.Duration
}

func simulated(t *testing.T, name string, n int) path {
	p, err := netsim.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return pathOf(name, n, func(i int) (time.Duration, bool) {
		f := p.Fate(4, netsim.Up, int64(i), time.Duration(i)*media.FrameDuration)
		return f.Delay, f.Lost
	})
}

func pathOf(name string, n int, fate func(i int) (time.Duration, bool)) path {
	p := path{name, make([]time.Duration, n)}
	for i := range n {
		delay, lost := fate(i)
		p.arrive[i] = time.Duration(i)*media.FrameDuration + delay
		if lost {
			p.arrive[i] = -1
		}
	}
	return p
}

// independent delays each packet by up to most, whatever happened to the others, and loses some in bursts.
func independent(t *testing.T, most time.Duration, lossy string, n int) path {
	burst, err := netsim.Named(lossy)
	if err != nil {
		t.Fatal(err)
	}
	plain := netsim.Profile{Noise: most, Loss: burst.Loss}
	return pathOf(fmt.Sprintf("each by itself up to %v, loss of %s", most, lossy), n, func(i int) (time.Duration, bool) {
		f := plain.Fate(5, netsim.Up, int64(i), 0)
		return f.Delay, f.Lost
	})
}

// outcome is what a rule makes of a path.
type outcome struct {
	sent, late int
	held       []time.Duration // of each packet played
	depth      []time.Duration
}

// simulate releases packets as a Buffer does, with another depth.
func simulate(p path, r rule) (o outcome) {
	const d = media.FrameDuration
	var order []int
	for i, at := range p.arrive {
		if at >= 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(p.arrive[a] - p.arrive[b]) })
	pc := pace{since: p.arrive[order[0]]}
	here := make([]bool, len(p.arrive)+1)
	next, top, waiting := order[0], order[0]-1, 0
	pop := func(now time.Duration) {
		for waiting > 0 {
			deadline := time.Duration(next)*d + pc.base() + r.depth(&pc)
			if !here[next] {
				if now < deadline {
					return
				}
				next++
				continue
			}
			waiting--
			o.held = append(o.held, max(0, now-p.arrive[next]))
			o.depth = append(o.depth, r.depth(&pc))
			next++
		}
	}
	for _, i := range order {
		at, place := p.arrive[i], time.Duration(i)*d
		for waiting > 0 { // give up what is due before
			deadline := time.Duration(next)*d + pc.base() + r.depth(&pc)
			if deadline > at {
				break
			}
			pop(deadline)
		}
		overtaken := i < top
		if overtaken {
			pc.overtaken(at, place)
		} else {
			pc.arrived(at, place)
			top = i
		}
		r.learn(at-place-pc.base(), overtaken)
		o.sent++
		if i < next {
			o.late++
			continue
		}
		here[i] = true
		waiting++
		pop(at)
	}
	return o
}

func (o outcome) lateShare() float64 { return float64(o.late) / float64(o.sent) }

func (o outcome) mean() time.Duration {
	var sum time.Duration
	for _, h := range o.held {
		sum += h
	}
	return sum / time.Duration(len(o.held))
}

func percentile(d []time.Duration, q float64) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}

// packets are those of p in the order of their arrival.
func (p path) packets() []media.Packet {
	s := begin(media.FrameDuration).send(len(p.arrive))
	in := s.in[:0]
	for i, at := range p.arrive {
		if at >= 0 {
			q := s.in[i]
			q.At = time.Second + at
			in = append(in, q)
		}
	}
	slices.SortStableFunc(in, func(a, b media.Packet) int { return int(a.At - b.At) })
	return in
}

// TestDepthRules compares the rule of pace with quantiles of a histogram that forgets, over ten minutes of a path each. With
// -v it prints the table. The present rule must be as good as any that is back at its floor two seconds after a
// burst, and the Buffer must do what the simulation says.
func TestDepthRules(t *testing.T) {
	const n = 30000
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "path\trule\tlate %\tdepth p50\tp99\theld mean\tp50\tp99 ms")
	for _, p := range []path{
		simulated(t, "clean", n), simulated(t, "wifi", n), simulated(t, "lte-edge", n), simulated(t, "burst5", n),
		independent(t, 40*ms, "clean", n), independent(t, 60*ms, "clean", n), independent(t, 80*ms, "lte-edge", n),
	} {
		var ours outcome
		for i, r := range []rule{present(), all(0.99, 0.99), those(0.95, 0.9), spread(0.95, 0.99), spread(0.99, 0.998)} {
			o := simulate(p, r)
			if i == 0 {
				ours = o
			}
			fmt.Fprintf(w, "%s\t%s\t%.2f\t%d\t%d\t%.1f\t%d\t%d\n", p.name, r.name, 100*o.lateShare(),
				percentile(o.depth, .5).Milliseconds(), percentile(o.depth, .99).Milliseconds(),
				float64(o.mean().Microseconds())/1000, percentile(o.held, .5).Milliseconds(), percentile(o.held, .99).Milliseconds())
			if ours.lateShare() > 0.007 || ours.mean() > o.mean()+200*time.Microsecond {
				t.Errorf("%s: the rule makes %.2f %% late and holds %v; %s %.2f %% and %v",
					p.name, 100*ours.lateShare(), ours.mean(), r.name, 100*o.lateShare(), o.mean())
			}
		}
		in := p.packets()
		items, b := run(t, in, in[len(in)-1].At)
		if st := b.Stats(); math.Abs(float64(st.Late)-float64(ours.late)) > 3 {
			t.Errorf("%s: the buffer made %d late, the simulation %d", p.name, st.Late, ours.late)
		}
		var held outcome
		for _, it := range items {
			if it.Kind == Play {
				held.held = append(held.held, it.out-it.Packet.At)
			}
		}
		if (held.mean() - ours.mean()).Abs() > 200*time.Microsecond {
			t.Errorf("%s: the buffer holds %v, the simulation %v", p.name, held.mean(), ours.mean())
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}
