package netsim

import (
	"fmt"
	"strings"
	"time"
)

// Profile is a model of a network path, the same in both directions. The zero value is a perfect one.
type Profile struct {
	Name  string
	Base  time.Duration // least delay, one way
	Noise time.Duration // uniform, beyond Base; under 19.5 ms packets of speech stay in order
	Stall Stall
	// Overtaken is the share of packets that come 25 to 45 ms behind their queue.
	Overtaken float64
	Loss      Loss
	Outage    Outage
}

// Stall is a link that pauses.
type Stall struct {
	Share       float64 // of the packets, those that meet a new one
	Least, Most time.Duration
}

// Loss is loss in bursts.
type Loss struct {
	Share float64 // of all packets
	Burst float64 // mean number of packets lost in a row, at least 1
}

// Outage is a path that is dead at times.
type Outage struct {
	First time.Duration // when it first dies, since the first packet
	Long  time.Duration // for how long; 0: never
	Every time.Duration // from one death to the next; 0: once
}

const ms = time.Millisecond

var profiles = []Profile{
	{Name: "clean", Base: 10 * ms},
	{Name: "wifi", Base: 15 * ms, Noise: 3 * ms, Stall: Stall{0.08, 20 * ms, 60 * ms}, Overtaken: 0.01},
	{Name: "lte-edge", Base: 45 * ms, Noise: 8 * ms, Stall: Stall{0.06, 20 * ms, 80 * ms}, Loss: Loss{0.03, 4}},
	{Name: "burst5", Base: 20 * ms, Noise: 2 * ms, Loss: Loss{0.05, 3}},
	{Name: "blackout2s", Base: 20 * ms, Noise: 2 * ms, Outage: Outage{10 * time.Second, 2 * time.Second, 20 * time.Second}},
}

// Profiles are the known profiles, the mildest first.
func Profiles() []Profile { return append([]Profile(nil), profiles...) }

// Named is the profile of a name; the error says which names there are.
func Named(name string) (Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("there is no network profile %q; known are %s", name, strings.Join(names, ", "))
}
