package main

import (
	"context"
	"regexp"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What the interceptors of every arm do: the server asks for a token, both sides count the statuses.

var wantedToken = regexp.MustCompile(`^Bearer [0-9a-f]{48}$`)

var (
	statusLock sync.Mutex
	statuses   = map[codes.Code]int{}
)

func countStatus(err error) {
	statusLock.Lock()
	statuses[status.Code(err)]++
	statusLock.Unlock()
}

func authorize(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 || !wantedToken.MatchString(values[0]) {
		return nil, status.Error(codes.Unauthenticated, "a token is missing")
	}
	response, err := handler(ctx, request)
	countStatus(err)
	return response, err
}

func observe(ctx context.Context, method string, request, response any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, response, connection, options...)
	countStatus(err)
	return err
}
