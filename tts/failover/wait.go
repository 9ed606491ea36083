package failover

import "slices"

// await begins to wait for the voices, if they owe anything and nobody waits. s.mu is held.
func (s *speech) await() {
	if s.watch == nil || s.waits || s.held {
		return
	}
	i := slices.IndexFunc(s.active, s.owes)
	if i < 0 {
		return
	}
	s.waits = true
	if s.active[i].sounded {
		s.watch.Await("more sound", s.o.Limits.Gap)
		return
	}
	s.watch.Await("first sound", s.o.Limits.First)
}

// owes is whether a voice has something to do but to wait for a phrase. s.mu is held.
func (s *speech) owes(r *reading) bool { return !s.began.IsZero() && !r.asks }

// rest ends the wait if nothing is owed. s.mu is held.
func (s *speech) rest() {
	if s.watch != nil && s.waits && (s.held || !slices.ContainsFunc(s.active, s.owes)) {
		s.waits = false
		s.watch.Rest()
	}
}

// hold is told when the consumer takes the loop from the voice that speaks, and when it gives it back.
func (s *speech) hold(r *reading, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.rest()
	s.await()
	if r.start.phrase > s.kept {
		s.kept = r.start.phrase
		s.text.Forget(s.kept)
	}
}

// drop takes a reading out of the attempt.
func (s *speech) drop(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = slices.DeleteFunc(s.active, func(a *reading) bool { return a == r })
	s.rest()
}
