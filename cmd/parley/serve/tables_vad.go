package serve

import (
	"context"

	"parley/agent/vad"
	"parley/internal/models"
)

var detectors = []engine[ears]{
	{"neural", "Silero and Smart Turn; turns=false for the first alone", need(models.Runtime | models.Turns), 60, openNeural},
	{"energy", "loudness; threshold=DBFS", nothing, light, func(_ context.Context, _ *kit, s *spec) (ears, error) {
		return ears{detector: vad.Energy{Threshold: float32(s.float("threshold", 0))}}, nil
	}},
}

func openNeural(_ context.Context, k *kit, s *spec) (ears, error) {
	silero, err := vad.NewSilero(k.path(models.SileroFile))
	if err != nil {
		return ears{}, err
	}
	k.onClose(silero.Close)
	e := ears{detector: vad.Gate(silero)}
	if !s.flagged("turns", true) {
		return e, nil
	}
	smart, err := vad.NewSmartTurn(k.path(models.SmartTurnFile))
	if err != nil {
		return ears{}, err
	}
	k.onClose(smart.Close)
	e.finisher = smart
	return e, nil
}
