package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

type description struct {
	SDP     string `json:"sdp"`
	Type    string `json:"type"`
	Session string `json:"session,omitempty"`
}

// post posts an offer and gives the answer and the session's name.
func post(ctx context.Context, url, offer string) (answer, session string, err error) {
	return postBy(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, url, offer)
}

func postBy(ctx context.Context, client *http.Client, url, offer string) (answer, session string, err error) {
	body, err := json.Marshal(description{SDP: offer, Type: "offer"})
	if err != nil {
		return "", "", fmt.Errorf("write offer: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/offer", bytes.NewReader(body))
	if err != nil {
		return "", "", fmt.Errorf("post offer: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return "", "", fmt.Errorf("post offer: %w", err)
	}
	defer res.Body.Close()
	var d description
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<18))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return "", "", fmt.Errorf("read answer: %w", err)
	}
	return d.SDP, d.Session, nil
}
