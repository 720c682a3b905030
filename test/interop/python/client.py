"""The interoperability cases on Python's grpcio (C-core), as far as its API allows. Run with the generated modules on PYTHONPATH.

    python client.py --server_host H --server_port N --test_case NAME[,NAME] [--use_tls=true --ca_file F --server_host_override NAME]

Writes a line for each case, and exits with 0 when all passed, 1 when one failed, 2 when grpcio cannot run one.
"""

import argparse
import queue
import sys
import time

import grpc

import messages_pb2 as messages
import test_pb2_grpc

REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
ECHO_INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
ECHO_TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")


def payload(octets):
    return messages.Payload(body=bytes(octets))


def large_request(**more):
    return messages.SimpleRequest(response_size=314159, payload=payload(271828), **more)


def ping(request_octets, response_octets):
    return messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=response_octets)],
        payload=payload(request_octets),
    )


class Pipe:
    """Requests of a conversation, given one by one."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, request):
        self._queue.put(request)

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def check_fails(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} instead of {code}: {error.details()}"
        assert details is None or error.details() == details, repr(error.details())
        return
    raise AssertionError(f"the call succeeded instead of failing with {code}")


def empty_unary(stub, _):
    assert stub.EmptyCall(messages.Empty()) == messages.Empty()


def large_unary(stub, _):
    assert len(stub.UnaryCall(large_request()).payload.body) == 314159


def client_streaming(stub, _):
    requests = (messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES)
    assert stub.StreamingInputCall(requests).aggregated_payload_size == 74922


def server_streaming(stub, _):
    parameters = [messages.ResponseParameters(size=size) for size in RESPONSE_SIZES]
    request = messages.StreamingOutputCallRequest(response_parameters=parameters)
    sizes = tuple(len(response.payload.body) for response in stub.StreamingOutputCall(request))
    assert sizes == RESPONSE_SIZES, sizes


def ping_pong(stub, _):
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe))
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        pipe.send(ping(request_size, response_size))
        assert len(next(call).payload.body) == response_size
    pipe.close()
    assert list(call) == []


def empty_stream(stub, _):
    assert list(stub.FullDuplexCall(iter(()))) == []


def cancel_after_begin(stub, _):
    pipe = Pipe()
    future = stub.StreamingInputCall.future(iter(pipe))
    future.cancel()
    pipe.close()
    assert future.cancelled() and future.code() == grpc.StatusCode.CANCELLED


def cancel_after_first_response(stub, _):
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe))
    pipe.send(ping(27182, 31415))
    next(call)
    call.cancel()
    check_fails(lambda: next(call), grpc.StatusCode.CANCELLED)
    pipe.close()


def timeout_on_sleeping_server(stub, _):
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe), timeout=0.001)
    pipe.send(messages.StreamingOutputCallRequest(payload=payload(27182)))
    check_fails(lambda: next(call), grpc.StatusCode.DEADLINE_EXCEEDED)
    pipe.close()


def check_echoed(call):
    assert ECHO_INITIAL in [tuple(pair) for pair in call.initial_metadata()]
    assert ECHO_TRAILING in [tuple(pair) for pair in call.trailing_metadata()]


def custom_metadata(stub, _):
    metadata = (ECHO_INITIAL, ECHO_TRAILING)
    _, call = stub.UnaryCall.with_call(large_request(), metadata=metadata)
    check_echoed(call)
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe), metadata=metadata)
    pipe.send(ping(271828, 314159))
    assert len(next(call).payload.body) == 314159
    pipe.close()
    assert list(call) == []
    check_echoed(call)


def status_code_and_message(stub, _):
    status = messages.EchoStatus(code=2, message="test status message")
    unknown = grpc.StatusCode.UNKNOWN
    request = messages.SimpleRequest(response_status=status)
    check_fails(lambda: stub.UnaryCall(request), unknown, status.message)
    request = messages.StreamingOutputCallRequest(response_status=status)
    check_fails(lambda: list(stub.FullDuplexCall(iter((request,)))), unknown, status.message)


def special_status_message(stub, _):
    message = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
    request = messages.SimpleRequest(response_status=messages.EchoStatus(code=2, message=message))
    check_fails(lambda: stub.UnaryCall(request), grpc.StatusCode.UNKNOWN, message)


def unimplemented_method(stub, _):
    check_fails(lambda: stub.UnimplementedCall(messages.Empty()), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(_, channel):
    stub = test_pb2_grpc.UnimplementedServiceStub(channel)
    check_fails(lambda: stub.UnimplementedCall(messages.Empty()), grpc.StatusCode.UNIMPLEMENTED)


def client_compressed_unary(stub, _):
    yes, no = messages.BoolValue(value=True), messages.BoolValue(value=False)
    probe = large_request(expect_compressed=yes)
    check_fails(lambda: stub.UnaryCall(probe), grpc.StatusCode.INVALID_ARGUMENT)
    response = stub.UnaryCall(probe, compression=grpc.Compression.Gzip)
    assert len(response.payload.body) == 314159
    response = stub.UnaryCall(large_request(expect_compressed=no))
    assert len(response.payload.body) == 314159


def soak(get_stub):
    for _ in range(10):
        started = time.monotonic()
        assert len(get_stub().UnaryCall(large_request()).payload.body) == 314159
        assert time.monotonic() - started < 1, "a call took more than a second"


def rpc_soak(stub, _):
    soak(lambda: stub)


def channel_soak(_, __):
    for _ in range(10):
        with open_channel() as channel:
            large_unary(test_pb2_grpc.TestServiceStub(channel), channel)


def concurrent_large_unary(stub, _):
    futures = [stub.UnaryCall.future(large_request()) for _ in range(1000)]
    assert all(len(future.result().payload.body) == 314159 for future in futures)


def pick_first_unary(stub, _):
    request = messages.SimpleRequest(response_size=1, fill_server_id=True)
    ids = {stub.UnaryCall(request).server_id for _ in range(100)}
    assert len(ids) == 1 and "" not in ids, ids


def large_header(stub, _):
    value = "h" * (63 * 1024)
    metadata = ((ECHO_INITIAL[0], value),)
    _, call = stub.UnaryCall.with_call(messages.SimpleRequest(), metadata=metadata)
    assert (ECHO_INITIAL[0], value) in [tuple(pair) for pair in call.initial_metadata()]


def server_speaks_first(stub, _):
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe), metadata=(ECHO_INITIAL,))
    assert ECHO_INITIAL in [tuple(pair) for pair in call.initial_metadata()]
    pipe.send(ping(10, 20))
    assert len(next(call).payload.body) == 20
    pipe.close()
    assert list(call) == []


def cancel_after_headers(stub, channel):
    pipe = Pipe()
    call = stub.FullDuplexCall(iter(pipe), metadata=(ECHO_INITIAL,))
    assert ECHO_INITIAL in [tuple(pair) for pair in call.initial_metadata()]
    call.cancel()
    check_fails(lambda: next(call), grpc.StatusCode.CANCELLED)
    pipe.close()
    large_unary(stub, channel)


def cancel_before_start(_, __):
    with open_channel() as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        future = stub.UnaryCall.future(large_request())
        future.cancel()
        assert future.cancelled()
        large_unary(stub, channel)


def half_duplex(stub, _):
    call = stub.HalfDuplexCall(iter([ping(octets, octets + 1) for octets in (10, 20, 30)]))
    assert [len(response.payload.body) for response in call] == [11, 21, 31]


CASES = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_streaming,
        server_streaming,
        ping_pong,
        empty_stream,
        cancel_after_begin,
        cancel_after_first_response,
        timeout_on_sleeping_server,
        custom_metadata,
        status_code_and_message,
        special_status_message,
        unimplemented_method,
        unimplemented_service,
        client_compressed_unary,
        rpc_soak,
        channel_soak,
        concurrent_large_unary,
        pick_first_unary,
        large_header,
        server_speaks_first,
        cancel_before_start,
        cancel_after_headers,
        half_duplex,
    )
}


def read_flags():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server_host", default="127.0.0.1")
    parser.add_argument("--server_port", type=int, required=True)
    parser.add_argument("--test_case", required=True)
    parser.add_argument("--use_tls", default="false")
    parser.add_argument("--use_test_ca", default="false")
    parser.add_argument("--ca_file")
    parser.add_argument("--server_host_override")
    return parser.parse_args()


FLAGS = read_flags()


def open_channel():
    """A channel with a connection of its own."""
    address = f"{FLAGS.server_host}:{FLAGS.server_port}"
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 131072)]
    options.append(("grpc.absolute_max_metadata_size", 131072))
    if FLAGS.use_tls != "true":
        return grpc.insecure_channel(address, options)
    with open(FLAGS.ca_file, "rb") as ca_file:
        credentials = grpc.ssl_channel_credentials(ca_file.read())
    if FLAGS.server_host_override:
        options.append(("grpc.ssl_target_name_override", FLAGS.server_host_override))
    return grpc.secure_channel(address, credentials, options)


def run_case(name):
    """Runs one case on a channel of its own; returns the exit code for it."""
    case = CASES.get(name)
    if case is None:
        print(f"{name}: not supported, grpcio has no API for it, or the case is not written")
        return 2
    try:
        with open_channel() as channel:
            case(test_pb2_grpc.TestServiceStub(channel), channel)
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"{name}: failed, {text}", flush=True)
        return 1
    print(f"{name}: passed", flush=True)
    return 0


def main():
    codes = [run_case(name) for name in FLAGS.test_case.split(",")]
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
