// Package rerun holds a conversation again in this process, from packets and engines that are given, in virtual time.
package rerun
