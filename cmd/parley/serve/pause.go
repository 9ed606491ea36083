package serve

import "parley/web"

// side is one of those who may have a record paused.
type side string

const (
	caller   side = "caller"
	operator side = "operator"
)

// pauses is who wants a record paused. It goes on when nobody does.
type pauses struct {
	off  map[side]bool
	by   side // whose doing the present state is; empty: nobody's
	tell func(msg []byte)
}

// want takes a side's wish.
func (p *pauses) want(who side, on bool) {
	was := p.on()
	if on {
		delete(p.off, who)
	} else {
		p.off[who] = true
	}
	switch {
	case p.on() && !was:
		p.by = who
	case !p.on() && !p.off[p.by]: // the one that is left
		for left := range p.off {
			p.by = left
		}
	}
}

func (p *pauses) on() bool { return len(p.off) == 0 }

func (p *pauses) state() web.Recording { return web.Recording{On: p.on(), By: string(p.by)} }

// allow takes the wish of one side to have the record paused or to let it go on, and tells the caller what came of it.
func (t *tape) allow(who side, on bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.pauses.state()
	t.pauses.want(who, on)
	is := t.pauses.state()
	switch now := t.now(); {
	case was.On && !is.On:
		t.rule.pause()
		t.writer.Pause(now, "the "+is.By)
		t.deck.log.Info("recording paused", "call", short(t.id), "by", is.By)
	case !was.On && is.On:
		t.rule.resume(now)
		t.writer.ResumePackets(now)
		t.deck.log.Info("recording resumed", "call", short(t.id), "by", is.By)
	}
	if was != is { // within the lock, so that the last to be told is what is: tell does not block
		t.pauses.tell(is.Tell())
	}
}

// state is whether the record goes on.
func (t *tape) state() web.Recording {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pauses.state()
}

// recorder is how the operator pauses the record.
func (t *tape) recorder() web.Recorder {
	return web.Recorder{Allow: func(on bool) { t.allow(operator, on) }, State: t.state}
}
