// Package edge finds where speech begins and ends in a track.
package edge
