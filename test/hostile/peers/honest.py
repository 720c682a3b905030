"""Honest traffic of a client on C-core, for the server of test/hostile: the same as honest.go makes.

    python honest.py --server_port N

Exits with 0 when each call ended as it should.
"""

import argparse
import sys
import threading
import time

import grpc

OPTIONS = (("grpc.max_receive_message_length", 8 << 20), ("grpc.use_local_subchannel_pool", 1))
TOTAL = {}


def done(what, count):
    TOTAL[what] = TOTAL.get(what, 0) + count


def code_of(future):
    try:
        future.result()
    except grpc.FutureCancelledError:
        return grpc.StatusCode.CANCELLED
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def cancelled(channel):
    later = channel.unary_unary("/hostile.Work/Later")
    for _ in range(19):
        futures = [later.future(b"", timeout=60) for _ in range(100)]
        time.sleep(0.005)
        for future in futures[::2]:
            future.cancel()
        codes = [code_of(future) for future in futures]
        assert set(codes[1::2]) == {grpc.StatusCode.OK}, codes
        assert set(codes[::2]) <= {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}, codes
        done("calls, half of them cancelled", 100)


def expiring(channel):
    later = channel.unary_unary("/hostile.Work/Later")
    for _ in range(30):
        futures = [later.future(b"", timeout=0.015) for _ in range(100)]
        codes = [code_of(future) for future in futures]
        # At the deadline the server resets with CANCEL, which C-core takes for DEADLINE_EXCEEDED if by its own clock, of which it keeps
        # readings for a while, the time is over too.
        early = codes.count(grpc.StatusCode.CANCELLED)
        assert codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) == 100 - early and early <= 20, codes
        done("deadlines that expired", 100 - early)
        done("of them told by the server a moment before", early)


def large(channel):
    echo = channel.unary_unary("/test.Echo/Unary")
    message = bytes([7]) * (3 << 20)
    for _ in range(5):
        futures = [echo.future(message, timeout=60) for _ in range(8)]
        assert all(future.result() == message for future in futures)
        done("messages of 3 MiB, there and back", 8)


def at_once(what, count, work):
    failures = []

    def run():
        try:
            work()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    done(what, count)


def read(channel, request, count, pause):
    got = 0
    for _ in channel.unary_stream("/hostile.Work/Download")(request):
        got += 1
        if pause:
            time.sleep(pause)
    assert got == count, got


def counted(channel, count):
    octets = channel.stream_unary("/hostile.Work/Count")(iter([b"x"] * count))
    assert octets == str(count).encode(), octets


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server_port", type=int, required=True)
    port = parser.parse_args().server_port
    for _ in range(3):
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            cancelled(channel)
            expiring(channel)
            large(channel)
            at_once("slow readers of 64 messages", 50, lambda: read(channel, b"64 16384", 64, 0.002))
            at_once("fast readers of 16 MiB", 4, lambda: read(channel, b"1024 16384", 1024, 0))
            at_once("streams of 5,000 messages of an octet", 4, lambda: counted(channel, 5000))
    for what, count in TOTAL.items():
        print(count, what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
