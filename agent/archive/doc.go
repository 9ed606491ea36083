// Package archive is a folder of recordings: what is there, what is kept for how long, what is deleted.
package archive
