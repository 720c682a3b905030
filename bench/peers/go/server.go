package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"purewire.invalid/bench/benchpb"
)

const maxMessageOctets = 8 << 20

type benchServer struct {
	benchpb.UnimplementedBenchServer
}

// serve listens on a free port of 127.0.0.1 and returns it.
func serve(material *tlsMaterial, interceptors bool) (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	options := []grpc.ServerOption{grpc.MaxRecvMsgSize(maxMessageOctets), grpc.MaxSendMsgSize(maxMessageOctets)}
	if material != nil {
		pair, err := tls.X509KeyPair([]byte(material.Certificate), []byte(material.PrivateKey))
		if err != nil {
			return 0, err
		}
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	}
	if interceptors {
		options = append(options, grpc.UnaryInterceptor(authorize))
	}
	server := grpc.NewServer(options...)
	benchpb.RegisterBenchServer(server, benchServer{})
	go server.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (benchServer) Nothing(_ context.Context, request *benchpb.Empty) (*benchpb.Empty, error) {
	return request, nil
}

func (benchServer) Echo(_ context.Context, request *benchpb.Message) (*benchpb.Message, error) {
	return request, nil
}

func (benchServer) Download(asked *benchpb.DownloadRequest, stream grpc.ServerStreamingServer[benchpb.Message]) error {
	body := patternedBody(int(asked.GetBodyOctets()))
	for sequence := uint32(0); sequence < asked.GetMessages(); sequence++ {
		if err := stream.Send(&benchpb.Message{Sequence: sequence, Body: body}); err != nil {
			return err
		}
	}
	return nil
}

func (benchServer) Upload(stream grpc.ClientStreamingServer[benchpb.Message, benchpb.UploadSummary]) error {
	var messages uint32
	var octets uint64
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&benchpb.UploadSummary{Messages: messages, Octets: octets})
		}
		if err != nil {
			return err
		}
		messages++
		octets += uint64(len(message.GetBody()))
	}
}

func (benchServer) PingPong(stream grpc.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(message); err != nil {
			return err
		}
	}
}

// patternedBody is the body all messages carry, the same in every language.
func patternedBody(octets int) []byte {
	body := make([]byte, octets)
	for i := range body {
		body[i] = byte(i*31 + (i>>8)*7)
	}
	return body
}
