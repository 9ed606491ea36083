package line

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parley/internal/netsim"
	"parley/media"
)

// TestProfiles holds a minute of speech over each network profile, with the encoder for good networks and with the one that the
// loss asks for. With -v it prints what was made up and what was added
// to the least delay of the path for what was heard.
func TestProfiles(t *testing.T) {
	talk := func(n int) []int16 {
		if n%100 < 80 {
			return speech(n%50, media.SpeakRate)
		}
		return nil
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "profile\tFEC\tlost %\tlate %\trecovered %\tframes concealed %\tadded ms p50\tp99")
	for _, p := range netsim.Profiles() {
		for _, fec := range []bool{false, true} {
			l := link{ticks: 3000, talk: talk, net: func(n int) (time.Duration, bool) {
				f := p.Fate(7, netsim.Up, int64(n), time.Duration(n)*media.FrameDuration)
				return f.Delay, f.Lost
			}}
			if fec {
				l.loss = func() float64 { return p.Loss.Share }
			}
			frames, up, down := l.call(t)
			var added []time.Duration
			for _, f := range frames {
				if !f.Lost && peak(f.PCM) > -30 {
					added = append(added, f.out-f.At)
				}
			}
			slices.Sort(added)
			mid, most := added[len(added)/2], added[len(added)*99/100]
			share := func(n uint64) float64 { return 100 * float64(n) / float64(down.Packets) }
			concealed := 100 * float64(up.Patched) / float64(up.Frames)
			fmt.Fprintf(w, "%s\t%v\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\n", p.Name, down.Voice, share(up.Lost), share(up.Late),
				share(up.Recovered), concealed, float64(mid.Microseconds())/1000, float64(most.Microseconds())/1000)
			if d := float64(len(frames)); d < 2994 || d > 3006 {
				t.Errorf("%s: %g frames of 3000", p.Name, d)
			}
			if mid > 20*ms || most > 120*ms || concealed > 100*p.Loss.Share*1.5+11 && p.Outage.Long == 0 {
				t.Errorf("%s: %.2f %% concealed, %v added, 99 %% below %v", p.Name, concealed, mid, most)
			}
			if p.Name == "clean" && (most > 20*ms || up.Patched > 0) {
				t.Errorf("clean: %v added, %d concealed", most, up.Patched)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}
