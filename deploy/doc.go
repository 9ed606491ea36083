// Package deploy holds what runs parley elsewhere: a Dockerfile, a systemd unit, and setup, the script that
// installs missing Debian packages. Its tests hold them against the code; it has no code of its own.
package deploy
