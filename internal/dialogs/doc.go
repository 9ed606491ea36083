// Package dialogs is short conversations composed of human voices, of which everything is known.
package dialogs
