package realtime

import (
	"bytes"
	"encoding/json"
	"fmt"

	"parley/internal/provider"
)

// The kinds of events that count.
const (
	committed = "input_audio_buffer.committed"
	delta     = "conversation.item.input_audio_transcription.delta"
	completed = "conversation.item.input_audio_transcription.completed"
	failed    = "conversation.item.input_audio_transcription.failed"
	complaint = "error"
)

// The IDs of our messages, which errors repeat.
const (
	ofUpdate = "update"
	ofCommit = "commit"
)

// event is what the service says. Events of other kinds have no more than a Type.
type event struct {
	Type       string `json:"type"`
	Item       string `json:"item_id"`
	Delta      string `json:"delta"`
	Transcript string `json:"transcript"`

	said   *provider.Error // of failed and complaint
	answer string          // of complaint: the ID of the message that it answers; may be empty
}

// parse reads one message. Its error is provider.ErrUnavailable.
func parse(data []byte) (event, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return event{}, fmt.Errorf("%w: malformed event: %w", provider.ErrUnavailable, err)
	}
	e := event{Type: kind.Type}
	switch kind.Type {
	case "":
		return e, fmt.Errorf("%w: malformed event: it has no type", provider.ErrUnavailable)
	case committed, delta, completed, failed:
		if err := json.Unmarshal(data, &e); err != nil {
			return event{}, fmt.Errorf("%w: malformed event: %w", provider.ErrUnavailable, err)
		}
		if e.Item == "" {
			return event{}, fmt.Errorf("%w: malformed event: %s has no item", provider.ErrUnavailable, kind.Type)
		}
	}
	if kind.Type == failed || kind.Type == complaint {
		e.said, e.answer = reason(data)
	}
	return e, nil
}

// reason is the error that an event tells, and the ID of the message that it answers.
func reason(data []byte) (*provider.Error, string) {
	var body struct {
		Error struct {
			EventID string `json:"event_id"`
		} `json:"error"`
	}
	_ = json.Unmarshal(data, &body) // an error may be a bare text: then it answers nothing
	said, ok := provider.FromJSON(data)
	if !ok {
		said = &provider.Error{Class: provider.ErrUnavailable, Text: "no reason was given"}
	}
	return said, body.Error.EventID
}

// without is what a service says, with the key taken out of it: some repeat it.
func without(key string, data []byte) []byte {
	if key == "" {
		return data
	}
	return bytes.ReplaceAll(data, []byte(key), []byte("[key]"))
}
