// Package archive is a folder of recordings: what is there, what is kept for how long, what is deleted.
//
// There is no index: the folder is the truth, and listing it reads of each recording its manifest and the ends of its files.
// What is read of one that is whole is remembered while the Archive lives.
//
// A recording is deleted by giving it a name that no recording has, and then removing it. So it is gone from all lists at
// once, and what a crash leaves of it is known by its name: [Archive.Retain] removes it. Links are neither followed nor
// listed, and nothing outside the folder is read or removed, whatever lies in it.
package archive
