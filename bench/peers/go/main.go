// The benchmark's peer in Go: server or client of bench.proto over grpc-go, steered by the JSON lines of bench/protocol.ts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

type request struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type response struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

type tlsMaterial struct {
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"privateKey"`
}

type load struct {
	Kind              string `json:"kind"`
	BodyOctets        int    `json:"bodyOctets"`
	InFlight          int    `json:"inFlight"`
	Connections       int    `json:"connections"`
	MessagesPerStream int    `json:"messagesPerStream"`
	MetadataEntries   int    `json:"metadataEntries"`
	Interceptors      bool   `json:"interceptors"`
	ResumeTLS         bool   `json:"resumeTls"`
	Latency           bool   `json:"latency"`
}

type startParams struct {
	Role string       `json:"role"`
	TLS  *tlsMaterial `json:"tls"`
	Port int          `json:"port"`
	Load *load        `json:"load"`
	// Of a server: each call passes an interceptor.
	Interceptors bool `json:"interceptors"`
}

type startResult struct {
	Port     int               `json:"port"`
	PID      int               `json:"pid"`
	Versions map[string]string `json:"versions"`
}

var client *benchClient

func main() {
	// One core for each side, as the other arms have.
	runtime.GOMAXPROCS(1)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	var output sync.Mutex
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "not a request:", err)
			continue
		}
		go func() {
			answer := response{ID: asked.ID}
			result, err := handle(asked)
			if err != nil {
				answer.Error = err.Error()
			} else {
				answer.Result = result
			}
			text, _ := json.Marshal(answer)
			output.Lock()
			fmt.Printf("%s\n", text)
			output.Unlock()
			if asked.Method == "stop" {
				os.Exit(0)
			}
		}()
	}
}

func handle(asked request) (any, error) {
	switch asked.Method {
	case "start":
		var params startParams
		if err := json.Unmarshal(asked.Params, &params); err != nil {
			return nil, err
		}
		return start(params)
	case "usage":
		return currentUsage(), nil
	case "run":
		var params runParams
		if err := json.Unmarshal(asked.Params, &params); err != nil {
			return nil, err
		}
		if client == nil {
			return nil, fmt.Errorf("run before start, or on a server")
		}
		return client.run(params)
	case "settle":
		time.Sleep(time.Second)
		debug.FreeOSMemory()
		return currentUsage(), nil
	case "stop":
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("the Go peer has no method %q", asked.Method)
}

func start(params startParams) (any, error) {
	versions := map[string]string{"go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "google.golang.org/grpc" || module.Path == "google.golang.org/protobuf" {
				versions[module.Path] = module.Version
			}
		}
	}
	result := startResult{PID: os.Getpid(), Versions: versions}
	var err error
	if params.Role == "server" {
		result.Port, err = serve(params.TLS, params.Interceptors)
	} else if params.Load == nil {
		err = fmt.Errorf("a client needs a load")
	} else {
		client, err = newClient(params.Port, params.TLS, *params.Load)
	}
	return result, err
}
