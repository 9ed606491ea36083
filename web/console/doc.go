// Package console serves recordings to the page /console.html.
package console
