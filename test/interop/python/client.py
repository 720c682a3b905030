"""The interoperability cases on Python's grpcio (C-core), as far as its API allows. Run with the generated modules on PYTHONPATH.

    python client.py --server_host H --server_port N --test_case NAME [--use_tls=true --ca_file F --server_host_override NAME]

Exits with 0 when the case passed, 1 when it failed, 2 when grpcio cannot run it.
"""

import argparse
import queue
import sys

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
    )
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server_host", default="127.0.0.1")
    parser.add_argument("--server_port", type=int, required=True)
    parser.add_argument("--test_case", required=True)
    parser.add_argument("--use_tls", default="false")
    parser.add_argument("--ca_file")
    parser.add_argument("--server_host_override")
    flags = parser.parse_args()
    case = CASES.get(flags.test_case)
    if case is None:
        print("grpcio has no API for this case")
        return 2
    address = f"{flags.server_host}:{flags.server_port}"
    if flags.use_tls == "true":
        with open(flags.ca_file, "rb") as ca_file:
            credentials = grpc.ssl_channel_credentials(ca_file.read())
        options = ()
        if flags.server_host_override:
            options = (("grpc.ssl_target_name_override", flags.server_host_override),)
        channel = grpc.secure_channel(address, credentials, options)
    else:
        channel = grpc.insecure_channel(address)
    with channel:
        case(test_pb2_grpc.TestServiceStub(channel), channel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
