package local

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

var errTokenizer = errors.New("malformed tokenizer")

// tokens are the pieces of text by their number.
type tokens []string

func loadTokens(path string) (tokens, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := parseTokens(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return t, nil
}

// maxTokens is more than any model's vocabulary.
const maxTokens = 1 << 17

// parseTokens reads Moonshine's tokenizer.bin: for each token its length and its bytes. A length from 128
// up takes two bytes, the lower seven bits first, the first byte marked by its highest bit.
func parseTokens(b []byte) (tokens, error) {
	var t tokens
	for len(b) > 0 {
		n := int(b[0])
		b = b[1:]
		if n >= 128 {
			if len(b) == 0 {
				return nil, errTokenizer
			}
			n += int(b[0])*128 - 128
			b = b[1:]
		}
		if n > len(b) || len(t) == maxTokens {
			return nil, errTokenizer
		}
		t = append(t, string(b[:n]))
		b = b[n:]
	}
	if len(t) == 0 {
		return nil, errTokenizer
	}
	return t, nil
}

// The first tokens have no text, and those of times none that is said.
const (
	tokenBegin = 1
	tokenEnd   = 2
	timePrefix = "<<ST_"
)

// text joins tokens. One may be a part of a character; what is then no character is replaced.
func (t tokens) text(ids []int64) string {
	var b strings.Builder
	for _, id := range ids {
		if id <= tokenEnd || id >= int64(len(t)) || strings.HasPrefix(t[id], timePrefix) {
			continue
		}
		b.WriteString(t[id])
	}
	text := strings.ReplaceAll(b.String(), "\u2581", " ") // the mark of a space
	return strings.ToValidUTF8(strings.TrimSpace(text), "\uFFFD")
}
