package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// usage counts what the process has used since its start.
type usage struct {
	UserMicros          int64 `json:"userMicros"`
	SystemMicros        int64 `json:"systemMicros"`
	InvoluntarySwitches int64 `json:"involuntarySwitches"`
	ReadCalls           int64 `json:"readCalls"`
	WriteCalls          int64 `json:"writeCalls"`
	ReadOctets          int64 `json:"readOctets"`
	WrittenOctets       int64 `json:"writtenOctets"`
	LoopTurns           int64 `json:"loopTurns"`
	RssOctets           int64 `json:"rssOctets"`
	HeapUsedOctets      int64 `json:"heapUsedOctets"`
}

func currentUsage() usage {
	var u usage
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.UserMicros = r.Utime.Sec*1_000_000 + int64(r.Utime.Usec)
		u.SystemMicros = r.Stime.Sec*1_000_000 + int64(r.Stime.Usec)
		u.InvoluntarySwitches = r.Nivcsw
	}
	text, _ := os.ReadFile("/proc/self/io")
	for _, line := range strings.Split(string(text), "\n") {
		var value int64
		name, rest, found := strings.Cut(line, ": ")
		if !found {
			continue
		}
		fmt.Sscan(rest, &value)
		switch name {
		case "syscr":
			u.ReadCalls = value
		case "syscw":
			u.WriteCalls = value
		case "rchar":
			u.ReadOctets = value
		case "wchar":
			u.WrittenOctets = value
		}
	}
	var pages, resident int64
	statm, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(statm), &pages, &resident)
	u.RssOctets = resident * int64(os.Getpagesize())
	return u
}

func usageBetween(before, after usage) usage {
	after.UserMicros -= before.UserMicros
	after.SystemMicros -= before.SystemMicros
	after.InvoluntarySwitches -= before.InvoluntarySwitches
	after.ReadCalls -= before.ReadCalls
	after.WriteCalls -= before.WriteCalls
	after.ReadOctets -= before.ReadOctets
	after.WrittenOctets -= before.WrittenOctets
	return after
}
