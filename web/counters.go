package web

import "log/slog"

// counters are the session's figures so far.
func (s *Session) counters() Counters {
	var c Counters
	if from := s.report.Load(); from != nil {
		c = (*from)()
	} else {
		n := s.Call.Stats()
		c = Counters{
			AtMS: s.Call.Now().Milliseconds(), Codec: string(s.Call.Audio().Codec),
			RTTMS:   ms(n.RTT),
			Dropped: n.Dropped + n.DroppedMessages + n.DroppedPosts + n.Ignored,
			Up:      UpCounters{Received: n.Received},
			Down:    DownCounters{Sent: n.Sent, Loss: n.Loss},
		}
	}
	c.Type = "counters"
	return c
}

// LogValue is the counters as one flat group.
func (c Counters) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("codec", c.Codec),
		slog.Float64("rttMs", c.RTTMS),
		slog.Uint64("dropped", c.Dropped),
		slog.Uint64("received", c.Up.Received),
		slog.Uint64("lost", c.Up.Lost),
		slog.Uint64("late", c.Up.Late),
		slog.Uint64("duplicated", c.Up.Duplicated),
		slog.Uint64("recovered", c.Up.Recovered),
		slog.Int64("concealedMs", c.Up.ConcealedMS),
		slog.Int64("pausedMs", c.Up.PausedMS),
		slog.Float64("depthMs", c.Up.DepthMS),
		slog.Float64("lossUp", c.Up.Loss),
		slog.Uint64("sent", c.Down.Sent),
		slog.Float64("lossDown", c.Down.Loss),
	)
}
