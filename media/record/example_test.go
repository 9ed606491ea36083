package record_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"parley/media"
	"parley/media/record"
)

// A call of one packet each way is recorded and looked at.
func Example() {
	dir, err := os.MkdirTemp("", "record")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	w, err := record.New(dir, record.Manifest{ID: "c1", Start: time.Now(), Build: record.ThisBuild()}, record.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var up, down media.Relay[media.Packet]
	taps := record.Taps{Up: up.Tap(100, media.DropNewest), Down: down.Tap(100, media.DropNewest)}
	now := func() time.Duration { return time.Second } // the session clock
	ctx, hangUp := context.WithCancel(context.Background())
	var call sync.WaitGroup
	call.Go(func() {
		if err := w.Run(ctx, now, taps); err != nil {
			log.Print(err)
		}
	})
	up.Send(media.Packet{At: 200 * time.Millisecond, Payload: []byte{0xf8, 0xff, 0xfe}})
	down.Send(media.Packet{At: 300 * time.Millisecond, Payload: []byte{0xf8, 0xff, 0xfe}})
	w.Log(1, 400*time.Millisecond, []byte(`{"seq":1}`))
	up.Close()
	down.Close()
	time.Sleep(10 * time.Millisecond) // the call goes on
	hangUp()
	call.Wait()

	path := dir + "/c1.conv"
	b, err := record.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	r := b.Verify()
	fmt.Println(r.State, r.Duration, r.Problems)
	for c, d := range r.Up.Classes {
		if d > 0 {
			fmt.Println(record.Class(c), d)
		}
	}
	// Output:
	// closed 1s []
	// received 20ms
	// not captured 980ms
}
