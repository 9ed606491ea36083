package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// soundKey tells sounds apart.
type soundKey [16]byte

func keyOf(pcm []int16) (k soundKey) {
	b := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	sum := sha256.Sum256(b)
	copy(k[:], sum[:])
	return k
}

// openScores reads a file of scores; one that is not there holds none.
func openScores(path string) (map[soundKey]*scored, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read scores: %w", err)
	}
	defer f.Close()
	var kept map[soundKey]*scored
	if err := gob.NewDecoder(f).Decode(&kept); err != nil {
		return nil, fmt.Errorf("read scores from %s: %w; delete it to have them made again", path, err)
	}
	return kept, nil
}

// saveScores adds those of heard and writes them, whole or not at all.
func saveScores(path string, kept map[soundKey]*scored, heard []*heardEvent) error {
	if path == "" {
		return nil
	}
	if kept == nil {
		kept = map[soundKey]*scored{}
	}
	for _, h := range heard {
		kept[keyOf(h.pcm)] = h.scored
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save scores: %w", err)
	}
	err = errors.Join(gob.NewEncoder(f).Encode(kept), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save scores: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
