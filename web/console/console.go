package console

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"parley/agent/archive"
	"parley/agent/replay"
	"parley/media/record"
)

// Options say what a Console shows and to whom.
type Options struct {
	Archive *archive.Archive
	// Allow tells who may see it. Nil: nobody.
	Allow func(*http.Request) bool
	// Cache is the folder in which derived sound lies, in files without names; CacheMost is how many bytes of it there may be. Empty:
	// parley in the user's cache folder; 0: 2 GiB.
	Cache     string
	CacheMost int64
	Logger    *slog.Logger // nil: discard
	// Read and Exact are those of package replay; nil: them.
	Read  func(*record.Bundle) (*replay.Conversation, error)
	Exact func(*record.Bundle) (replay.Report, error)
}

// Console answers the requests of the page. Safe for concurrent use.
type Console struct {
	opt    Options
	shelf  *shelf
	facts  facts
	exact  chan struct{} // held by the one that runs
	routes http.Handler
}

// Handler makes a Console; mount it with its path's prefix stripped, and close it when no request comes any more.
func Handler(o Options) *Console {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Read == nil {
		o.Read = replay.Read
	}
	if o.Exact == nil {
		o.Exact = replay.Exact
	}
	if o.CacheMost <= 0 {
		o.CacheMost = 2 << 30
	}
	if o.Cache == "" {
		o.Cache = cacheDir()
	}
	c := &Console{opt: o, shelf: newShelf(o.Cache, o.CacheMost, o.Logger), exact: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /recordings", c.list)
	mux.HandleFunc("GET /recordings/{id}", c.call)
	mux.HandleFunc("GET /recordings/{id}/peaks", c.peaks)
	mux.HandleFunc("GET /recordings/{id}/sound", c.sound)
	mux.HandleFunc("POST /recordings/{id}/exact", c.again)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is no such thing here")
	})
	c.routes = http.NewCrossOriginProtection().Handler(mux)
	return c
}

// cacheDir is the default folder for derived sound, or the one for temporary files.
func cacheDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "parley")
		if os.MkdirAll(dir, 0o700) == nil {
			return dir
		}
	}
	return os.TempDir()
}

// Close ends what is being derived and removes what was.
func (c *Console) Close() { c.shelf.close() }

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // what was said stays in no cache but ours
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	if c.opt.Allow == nil || !c.opt.Allow(r) {
		fail(w, http.StatusForbidden, "recordings are shown on the computer that the server runs on only: open http://localhost there, or forward its port")
		return
	}
	c.routes.ServeHTTP(w, r)
}

// Prepare derives the sound and the peaks of a recording that has just ended, so that its page opens at once. It returns
// before that is done.
func (c *Console) Prepare(id string) error {
	it, err := c.shelf.get(id, func() (*record.Bundle, error) { return c.opt.Archive.Open(id) })
	if err == nil {
		c.shelf.put(it)
	}
	return err
}

// brief is the part of an id that may be logged: all of it is the right to end a live call.
func brief(id string) string { return id[:min(8, len(id))] }

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who asked has left
}

func fail(w http.ResponseWriter, code int, text string) { reply(w, code, Failure{Error: text}) }

// refuse says why something cannot be had.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	var damage *record.Damage
	switch {
	case r.Context().Err() != nil:
		return
	case errors.Is(err, errFull), errors.Is(err, errClosed):
		code = http.StatusServiceUnavailable
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, record.ErrNone):
		code = http.StatusNotFound
	case errors.Is(err, record.ErrVersion), errors.As(err, &damage):
		code = http.StatusUnprocessableEntity
	}
	if _, bad := record.Folder(r.PathValue("id")); bad != nil && r.PathValue("id") != "" {
		code, err = http.StatusBadRequest, bad
	}
	if code >= http.StatusInternalServerError {
		c.opt.Logger.Warn("cannot show a recording", "call", brief(r.PathValue("id")), "err", err)
	}
	fail(w, code, err.Error())
}

// again runs a conversation again and tells what came of it. One at a time: it takes a processor.
func (c *Console) again(w http.ResponseWriter, r *http.Request) {
	b, err := c.opt.Archive.Open(r.PathValue("id"))
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	defer b.Close()
	if b.State() == record.Live {
		fail(w, http.StatusConflict, "this conversation goes on: run it when it has ended")
		return
	}
	select {
	case c.exact <- struct{}{}:
		defer func() { <-c.exact }()
	default:
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusTooManyRequests, "another conversation is being run: try again when it is done")
		return
	}
	begin := time.Now()
	report, err := c.opt.Exact(b)
	reply(w, http.StatusOK, verdict(report, err, time.Since(begin)))
}
