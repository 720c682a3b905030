// Honest traffic of a grpc-go client, for the server of test/hostile: calls of which half are cancelled, deadlines that expire, large messages,
// slow readers, small messages by the thousand. Exits with 0 when each call ended as it should.
//
//	honest --server_port N
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// octets are messages as they are.
type octets struct{}

func (octets) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (octets) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = bytes.Clone(data)
	return nil
}
func (octets) Name() string { return "proto" }

var total = map[string]int{}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func dial(port int) *grpc.ClientConn {
	connection, err := grpc.NewClient("127.0.0.1:"+strconv.Itoa(port),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(octets{}), grpc.MaxCallRecvMsgSize(8<<20)))
	if err != nil {
		fail("dial: %v", err)
	}
	return connection
}

func unary(ctx context.Context, c *grpc.ClientConn, path string, request []byte) ([]byte, error) {
	var response []byte
	err := c.Invoke(ctx, path, &request, &response)
	return response, err
}

// batch runs `count` calls at once and fails when one of them ends with none of `wanted`.
func batch(what string, count int, call func(i int) error, wanted ...codes.Code) {
	var group sync.WaitGroup
	errors := make([]error, count)
	for i := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			errors[i] = call(i)
		}()
	}
	group.Wait()
	for i, err := range errors {
		found := false
		for _, code := range wanted {
			found = found || status.Code(err) == code
		}
		if !found {
			fail("%s %d: %v", what, i, err)
		}
	}
	total[what] += count
}

func cancelled(c *grpc.ClientConn) {
	for range 19 {
		batch("calls, half of them cancelled", 100, func(i int) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%2 == 0 {
				time.AfterFunc(time.Duration(i%20)*time.Millisecond, cancel)
			}
			_, err := unary(ctx, c, "/hostile.Work/Later", nil)
			if i%2 == 1 && err != nil {
				return fmt.Errorf("not cancelled: %w", err)
			}
			return err
		}, codes.OK, codes.Canceled)
	}
}

func expiring(c *grpc.ClientConn) {
	for range 30 {
		batch("deadlines that expired", 100, func(int) error {
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Millisecond)
			defer cancel()
			_, err := unary(ctx, c, "/hostile.Work/Later", nil)
			return err
		}, codes.DeadlineExceeded)
	}
}

func large(c *grpc.ClientConn) {
	message := bytes.Repeat([]byte{7}, 3<<20)
	for range 5 {
		batch("messages of 3 MiB, there and back", 8, func(int) error {
			response, err := unary(context.Background(), c, "/test.Echo/Unary", message)
			if err == nil && !bytes.Equal(response, message) {
				fail("another message came back")
			}
			return err
		}, codes.OK)
	}
}

// read takes what a download sends, `pause` between two messages.
func read(c *grpc.ClientConn, request string, count int, pause time.Duration) error {
	description := &grpc.StreamDesc{ServerStreams: true}
	stream, err := c.NewStream(context.Background(), description, "/hostile.Work/Download")
	if err != nil {
		return err
	}
	message := []byte(request)
	if err := stream.SendMsg(&message); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		var response []byte
		err := stream.RecvMsg(&response)
		if err == io.EOF {
			if n != count {
				fail("%d messages of %d", n, count)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

func counted(c *grpc.ClientConn, count int) error {
	description := &grpc.StreamDesc{ClientStreams: true}
	stream, err := c.NewStream(context.Background(), description, "/hostile.Work/Count")
	if err != nil {
		return err
	}
	for range count {
		message := []byte{1}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	var response []byte
	if err := stream.RecvMsg(&response); err != nil {
		return err
	}
	if string(response) != strconv.Itoa(count) {
		fail("%s octets came of %d", response, count)
	}
	return nil
}

func main() {
	port := flag.Int("server_port", 0, "port of the server")
	flag.Parse()
	for range 3 {
		c := dial(*port)
		cancelled(c)
		expiring(c)
		large(c)
		batch("slow readers of 64 messages", 50, func(int) error {
			return read(c, "64 16384", 64, 2*time.Millisecond)
		}, codes.OK)
		batch("fast readers of 16 MiB", 4, func(int) error {
			return read(c, "1024 16384", 1024, 0)
		}, codes.OK)
		batch("streams of 20,000 messages of an octet", 4, func(int) error {
			return counted(c, 20_000)
		}, codes.OK)
		c.Close()
	}
	for what, count := range total {
		fmt.Printf("%d %s\n", count, what)
	}
}
