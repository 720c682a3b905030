package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"purewire.invalid/bench/benchpb"
)

const callTimeout = time.Minute

type benchClient struct {
	load        load
	target      string
	credentials credentials.TransportCredentials
	connections []*grpc.ClientConn
	body        []byte
}

func newClient(port int, material *tlsMaterial, wanted load) (*benchClient, error) {
	c := &benchClient{load: wanted, target: fmt.Sprintf("passthrough:///127.0.0.1:%d", port)}
	c.credentials = insecure.NewCredentials()
	if material != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(material.Certificate))
		config := &tls.Config{RootCAs: roots, ServerName: "localhost"}
		if wanted.ResumeTLS {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
		c.credentials = credentials.NewTLS(config)
	}
	if wanted.BodyOctets > 0 {
		c.body = patternedBody(wanted.BodyOctets)
	}
	if wanted.Kind != "connect" {
		for range wanted.Connections {
			connection, err := c.open()
			if err != nil {
				return nil, err
			}
			c.connections = append(c.connections, connection)
		}
	}
	return c, nil
}

func (c *benchClient) open() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(c.credentials),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageOctets), grpc.MaxCallSendMsgSize(maxMessageOctets))}
	if c.load.Interceptors {
		options = append(options, grpc.WithUnaryInterceptor(observe))
	}
	return grpc.NewClient(c.target, options...)
}

// run keeps a loop per call in flight going until the slice is over.
func (c *benchClient) run(params runParams) (runResult, error) {
	m := startMeter(params, c.load.Latency)
	before := currentUsage()
	var loops sync.WaitGroup
	inFlight := c.load.InFlight
	if params.InFlight > 0 {
		inFlight = params.InFlight
	}
	failures := make([]error, inFlight)
	for i := range inFlight {
		loops.Add(1)
		go func() {
			defer loops.Done()
			failures[i] = c.loop(m, i)
			if failures[i] != nil {
				m.stop()
			}
		}()
	}
	loops.Wait()
	result := m.result()
	result.Usage = usageBetween(before, currentUsage())
	return result, errors.Join(failures...)
}

func (c *benchClient) loop(m *meter, number int) error {
	if c.load.Kind == "connect" {
		return c.connectLoop(m)
	}
	stub := benchpb.NewBenchClient(c.connections[number%len(c.connections)])
	switch c.load.Kind {
	case "unary":
		for sequence := uint32(1); !m.stopped.Load(); sequence++ {
			if err := c.call(m, stub, sequence); err != nil {
				return err
			}
		}
		return nil
	case "server-stream":
		for !m.stopped.Load() {
			if err := c.download(m, stub); err != nil {
				return err
			}
		}
		return nil
	case "client-stream":
		for !m.stopped.Load() {
			if err := c.upload(m, stub); err != nil {
				return err
			}
		}
		return nil
	case "ping-pong":
		return c.pingPong(m, stub)
	}
	return fmt.Errorf("the Go peer has no workload %q", c.load.Kind)
}

// call makes one unary call and checks its response.
func (c *benchClient) call(m *meter, stub benchpb.BenchClient, sequence uint32) error {
	started := m.begin()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if c.load.MetadataEntries > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, metadataEntries(c.load.MetadataEntries)...)
	}
	if c.body == nil {
		if _, err := stub.Nothing(ctx, &benchpb.Empty{}); err != nil {
			return err
		}
	} else {
		message, err := stub.Echo(ctx, &benchpb.Message{Sequence: sequence, Body: c.body})
		if err != nil {
			return err
		}
		if err := c.check(message, sequence); err != nil {
			return err
		}
	}
	m.end(started)
	return nil
}

func (c *benchClient) connectLoop(m *meter) error {
	for sequence := uint32(1); !m.stopped.Load(); sequence++ {
		connection, err := c.open()
		if err != nil {
			return err
		}
		err = c.call(m, benchpb.NewBenchClient(connection), sequence)
		connection.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *benchClient) download(m *meter, stub benchpb.BenchClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	asked := &benchpb.DownloadRequest{Messages: uint32(c.load.MessagesPerStream), BodyOctets: uint32(len(c.body))}
	stream, err := stub.Download(ctx, asked)
	if err != nil {
		return err
	}
	for sequence := uint32(0); ; sequence++ {
		message, err := stream.Recv()
		if err == io.EOF {
			if sequence != asked.Messages {
				return fmt.Errorf("the stream ended OK after %d of %d messages", sequence, asked.Messages)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.check(message, sequence); err != nil {
			return err
		}
		m.complete()
	}
}

func (c *benchClient) upload(m *meter, stub benchpb.BenchClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	stream, err := stub.Upload(ctx)
	if err != nil {
		return err
	}
	sent := uint32(0)
	for !m.stopped.Load() && sent < uint32(c.load.MessagesPerStream) {
		if err := stream.Send(&benchpb.Message{Sequence: sent, Body: c.body}); err != nil {
			return err
		}
		sent++
		m.complete()
	}
	summary, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if summary.Messages != sent || summary.Octets != uint64(sent)*uint64(len(c.body)) {
		return fmt.Errorf("the server counted %d of %d messages", summary.Messages, sent)
	}
	return nil
}

func (c *benchClient) pingPong(m *meter, stub benchpb.BenchClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	stream, err := stub.PingPong(ctx)
	if err != nil {
		return err
	}
	for sequence := uint32(1); !m.stopped.Load(); sequence++ {
		started := m.begin()
		if err := stream.Send(&benchpb.Message{Sequence: sequence, Body: c.body}); err != nil {
			return err
		}
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := c.check(message, sequence); err != nil {
			return err
		}
		m.end(started)
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("the stream did not end OK: %v", err)
	}
	return nil
}

func (c *benchClient) check(message *benchpb.Message, sequence uint32) error {
	if message.Sequence != sequence || !bytes.Equal(message.Body, c.body) {
		return fmt.Errorf("wrong response: number %d with %d octets, wanted %d with %d",
			message.Sequence, len(message.Body), sequence, len(c.body))
	}
	return nil
}
