package netsim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueSendsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{wake: make(chan struct{}, 1)}
		done := make(chan struct{})
		go func() { q.run(); close(done) }()
		began := time.Now()
		var got, want []int
		order := rand.New(rand.NewPCG(1, 2)).Perm(100)
		for _, i := range order {
			at := time.Duration(i/2*2) * ms // two at a time
			q.add(began.Add(at), func() {
				if took := time.Since(began); took != at {
					t.Errorf("%d left after %v", i, took)
				}
				got = append(got, i)
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range 50 { // of two at a time the one that came first
			pair := []int{2 * i, 2*i + 1}
			if slices.Index(order, pair[0]) > slices.Index(order, pair[1]) {
				slices.Reverse(pair)
			}
			want = append(want, pair...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("left as %v", got)
		}
		got = nil
		for i := range 3 {
			q.add(time.Now().Add(time.Duration(3-i)*time.Hour), func() { got = append(got, i) })
		}
		q.end()
		<-done
		if !slices.Equal(got, []int{2, 1, 0}) {
			t.Errorf("at the end %v left", got)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := queue{wake: make(chan struct{}, 1)}
	n := 0
	for q.add(time.Now().Add(time.Hour), func() {}) {
		n++
	}
	if n != maxQueue {
		t.Errorf("%d fit", n)
	}
}
