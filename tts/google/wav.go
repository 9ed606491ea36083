package google

import (
	"encoding/binary"
	"fmt"

	"parley/internal/provider"
)

// unwrap is the samples of a WAV file and their rate; data that is no WAV file is taken for samples of the
// given rate. A length in the header that is too long, or none, means all that is there.
func unwrap(data []byte, rate int) (pcm []byte, _ int, err error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return data, rate, nil
	}
	known := false
	for rest := data[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		n := min(size, len(rest))
		switch id {
		case "fmt ":
			if rate, err = format(rest[:n]); err != nil {
				return nil, 0, err
			}
			known = true
		case "data":
			if !known {
				return nil, 0, odd("its data comes before its format")
			}
			if size == 0 {
				n = len(rest)
			}
			return rest[:n], rate, nil
		}
		rest = rest[min(n+n&1, len(rest)):]
	}
	return nil, 0, odd("it has no data")
}

// format is the rate that a format chunk tells.
func format(b []byte) (int, error) {
	if len(b) < 16 {
		return 0, odd("its format is cut short")
	}
	le := binary.LittleEndian
	kind, channels, bits, rate := le.Uint16(b), le.Uint16(b[2:]), le.Uint16(b[14:]), int(le.Uint32(b[4:]))
	if kind != 1 || channels != 1 || bits != 16 || rate < 8000 || rate > 48000 {
		return 0, odd(fmt.Sprintf("format %d, %d channels, %d bits, %d Hz", kind, channels, bits, rate))
	}
	return rate, nil
}

func odd(what string) error {
	return fmt.Errorf("%w: the WAV file of the answer is not as agreed: %s", provider.ErrUnavailable, what)
}
