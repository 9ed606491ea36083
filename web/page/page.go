// Package page holds the page of a conversation: what a browser needs to talk to the agent. Its sources
// are TypeScript beside this file; npm bundles them into dist, and the build of the binary embeds them.
// Nothing on the page comes from another host.
//
// The page is two ES modules. parley.js is the client: it exports Conversation, which another page can
// use as it stands. app.js is the page itself and uses the client only. Beside it are check.html, which finds
// out what works between a browser and the server, listen.html, to listen to a conversation that goes on, and
// console.html, which shows recorded conversations.
//
// A call outlives its path. The client takes no sound for two seconds, or the browser's word, for a lost path;
// it asks the server whether the session still is, and restarts ICE every three seconds until sound comes again.
// The server's answers name its TURN relays: they are used from the first restart on, and a call that is not up
// two seconds after its answer is restarted for their sake.
package page

import (
	"embed"
	"io/fs"
)

//go:embed all:dist unbuilt
var built embed.FS

// FS returns the files to serve at the root of a site: index.html and what it names. When the page was
// not built, index.html says how to build it. Safe for concurrent use.
func FS() fs.FS {
	if Built() {
		return folder("dist")
	}
	return folder("unbuilt")
}

// Built reports whether the binary holds the page, and not only the word that it is missing.
func Built() bool {
	_, err := fs.Stat(built, "dist/index.html")
	return err == nil
}

func folder(name string) fs.FS {
	f, err := fs.Sub(built, name)
	if err != nil {
		panic(err) // name is one of two valid constants
	}
	return f
}
