package vad

import "sync"

// spares keeps what one run of a model needs for the next run: at most as many as ever ran at once.
type spares[T any] struct {
	mu   sync.Mutex
	list []T
}

// take gives a spare one, or one that is made.
func (s *spares[T]) take(made func() (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.list)
	if n == 0 {
		return made()
	}
	v := s.list[n-1]
	s.list = s.list[:n-1]
	return v, nil
}

func (s *spares[T]) put(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, v)
}

// drop takes all and gives them to free.
func (s *spares[T]) drop(free func(T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.list {
		free(v)
	}
	s.list = nil
}
