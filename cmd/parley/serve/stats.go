package serve

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"

	"parley/web"
)

// Stats is what GET /debug/stats tells to this machine.
type Stats struct {
	Goroutines int    `json:"goroutines"`
	HeapBytes  uint64 `json:"heapBytes"` // live after the last collection, and since
	RSSBytes   int64  `json:"rssBytes"`  // 0 where it cannot be found out
	Files      int    `json:"files"`     // open file descriptors, likewise
	PID        int    `json:"pid"`
}

// ReadStats reads them; collect runs a garbage collection first, for leak checks.
func ReadStats(collect bool) Stats {
	if collect {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := Stats{Goroutines: runtime.NumGoroutine(), HeapBytes: m.HeapAlloc, PID: os.Getpid()}
	if b, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(b)) {
			if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
				s.RSSBytes = n << 10
			}
		}
	}
	if d, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.Files = len(d) - 1 // less the folder itself
	}
	return s
}

// withStats adds GET /debug/stats, to this machine only.
func withStats(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /debug/stats", func(w http.ResponseWriter, r *http.Request) {
		if !web.Local(r) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(ReadStats(r.URL.Query().Has("gc"))) // a reader who has left is not told
	})
	return mux
}
