// Package docs is the documentation. Its tests hold the pages against the code; it has no code of its own.
package docs
