package main

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

type runParams struct {
	RampMs         float64 `json:"rampMs"`
	DurationMs     float64 `json:"durationMs"`
	MaxCompletions int64   `json:"maxCompletions"`
	InFlight       int     `json:"inFlight"`
}

type latencySummary struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

type runResult struct {
	Completions      int64           `json:"completions"`
	WindowMs         float64         `json:"windowMs"`
	TotalCompletions int64           `json:"totalCompletions"`
	TotalMs          float64         `json:"totalMs"`
	Latency          *latencySummary `json:"latency"`
	Usage            usage           `json:"usage"`
}

// meter counts the completions of one slice, as worker/meter.ts does.
type meter struct {
	stopped     atomic.Bool
	completions atomic.Int64
	limit       int64
	latency     bool
	startedAt   time.Time

	mutex       sync.Mutex
	latencies   []time.Duration
	windowStart time.Time
	windowEnd   time.Time
	atStart     int64
	atEnd       int64
}

func startMeter(params runParams, latency bool) *meter {
	now := time.Now()
	m := &meter{latency: latency, limit: params.MaxCompletions, startedAt: now, windowStart: now, windowEnd: now}
	milliseconds := func(value float64) time.Duration { return time.Duration(value * float64(time.Millisecond)) }
	time.AfterFunc(milliseconds(params.RampMs), m.openWindow)
	time.AfterFunc(milliseconds(params.RampMs+params.DurationMs), m.stop)
	return m
}

func (m *meter) begin() time.Time {
	if !m.latency {
		return time.Time{}
	}
	return time.Now()
}

func (m *meter) end(started time.Time) {
	if m.latency {
		took := time.Since(started)
		m.mutex.Lock()
		m.latencies = append(m.latencies, took)
		m.mutex.Unlock()
	}
	m.complete()
}

func (m *meter) complete() {
	if m.completions.Add(1) >= m.limit && m.limit > 0 {
		m.stop()
	}
}

func (m *meter) openWindow() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.stopped.Load() {
		return
	}
	m.windowStart = time.Now()
	m.atStart = m.completions.Load()
	m.latencies = m.latencies[:0]
}

func (m *meter) stop() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.stopped.Swap(true) {
		return
	}
	m.windowEnd = time.Now()
	m.atEnd = m.completions.Load()
}

func (m *meter) result() runResult {
	m.stop()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	result := runResult{
		Completions:      m.atEnd - m.atStart,
		WindowMs:         float64(m.windowEnd.Sub(m.windowStart)) / float64(time.Millisecond),
		TotalCompletions: m.completions.Load(),
		TotalMs:          float64(time.Since(m.startedAt)) / float64(time.Millisecond),
	}
	if m.latency {
		result.Latency = summarize(m.latencies)
	}
	return result
}

func summarize(latencies []time.Duration) *latencySummary {
	count := len(latencies)
	if count == 0 {
		return &latencySummary{}
	}
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	at := func(share float64) float64 { return micros(latencies[int(share*float64(count-1))]) }
	sum := time.Duration(0)
	for _, each := range latencies {
		sum += each
	}
	return &latencySummary{
		Count: count, Mean: micros(sum) / float64(count),
		P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1),
	}
}

var serial atomic.Uint64

// metadataEntries are those of worker/metadata.ts: six fixed ones, two that differ in each call.
func metadataEntries(count int) []string {
	id := fmt.Sprintf("%016x", serial.Add(1))
	all := []string{
		"x-tenant", "acme-industries",
		"x-region", "eu-central-1",
		"x-client-version", "4.18.2-release",
		"x-feature-set", "alpha,beta,long-running",
		"accept-language", "en-GB",
		"authorization", "Bearer 6f1c2d9a7b3e4f508d7c6b5a49382716a5b4c3d2e1f00918",
		"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + id + "-01",
		"x-request-id", "req-" + id,
	}
	return all[len(all)-2*count:]
}
