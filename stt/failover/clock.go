package failover

import (
	"time"

	"parley/internal/provider"
)

// clock ends an attempt that owes something for too long. It stands while nothing is owed and while the consumer holds the
// loop.
type clock struct {
	limit time.Duration
	watch *provider.Watch // nil: there is no attempt
	held  bool
	extra time.Duration // what the recognizer had to hear again may take as long as it took to say
	spent time.Duration
	since time.Time // of this wait; zero: it stands
}

// begin begins an attempt that has so much audio to hear again.
func (c *clock) begin(watch *provider.Watch, behind time.Duration) {
	c.stand()
	*c = clock{limit: c.limit, watch: watch, extra: behind}
}

// run makes the clock run if something is owed, or stand.
func (c *clock) run(owed string) {
	switch {
	case c.held || owed == "" || c.watch == nil:
		c.stand()
		if owed == "" {
			c.spent = 0
		}
	case c.since.IsZero():
		c.since = time.Now()
		c.watch.Await(owed, max(1, c.limit+c.extra-c.spent))
	}
}

func (c *clock) stand() {
	if !c.since.IsZero() {
		c.spent += time.Since(c.since)
		c.since = time.Time{}
		c.watch.Rest()
	}
}

// again gives the recognizer all the time anew: it has done something of what it owes.
func (c *clock) again() {
	c.stand()
	c.spent = 0
}

// caughtUp is again for one that has answered for all that it had to hear again.
func (c *clock) caughtUp() {
	c.again()
	c.extra = 0
}
