"""grpc.testing.TestService on Python's grpcio (C-core), as far as its API allows. Run with the generated modules on PYTHONPATH.

    python server.py --port N [--use_tls=true --tls_cert_file F --tls_key_file F]
"""

import argparse
import time
from concurrent import futures

import grpc

import messages_pb2 as messages
import orca_load_report_pb2
import test_pb2_grpc

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"
LOAD_REPORT = "endpoint-load-metrics-bin"


def echo_metadata(context):
    """Gives back what the tests want back; returns the trailing metadata."""
    metadata = dict(context.invocation_metadata())
    if ECHO_INITIAL in metadata:
        context.send_initial_metadata(((ECHO_INITIAL, metadata[ECHO_INITIAL]),))
    trailing = []
    if ECHO_TRAILING in metadata:
        trailing.append((ECHO_TRAILING, metadata[ECHO_TRAILING]))
        context.set_trailing_metadata(tuple(trailing))
    return trailing


def end_if_asked(request, context):
    if request.HasField("response_status") and request.response_status.code != 0:
        status = request.response_status
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[status.code], status.message)


def payload(octets):
    return messages.Payload(body=bytes(octets))


def respond(request, context, compresses):
    for parameters in request.response_parameters:
        if parameters.interval_us:
            time.sleep(parameters.interval_us / 1e6)
        if compresses and not parameters.compressed.value:
            context.disable_next_message_compression()
        address = context.peer() if parameters.fill_peer_socket_address.value else ""
        yield messages.StreamingOutputCallResponse(
            payload=payload(parameters.size), peer_socket_address=address
        )


class TestService(test_pb2_grpc.TestServiceServicer):
    def EmptyCall(self, request, context):
        echo_metadata(context)
        return messages.Empty()

    def UnaryCall(self, request, context):
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        trailing = echo_metadata(context)
        if request.HasField("orca_per_query_report"):
            wanted = request.orca_per_query_report
            report = orca_load_report_pb2.OrcaLoadReport(
                cpu_utilization=wanted.cpu_utilization,
                mem_utilization=wanted.memory_utilization,
                request_cost=wanted.request_cost,
                utilization=wanted.utilization,
            )
            trailing.append((LOAD_REPORT, report.SerializeToString()))
            context.set_trailing_metadata(tuple(trailing))
        end_if_asked(request, context)
        server_id = "grpcio" if request.fill_server_id else ""
        return messages.SimpleResponse(payload=payload(request.response_size), server_id=server_id)

    def StreamingOutputCall(self, request, context):
        compresses = any(parameters.compressed.value for parameters in request.response_parameters)
        if compresses:
            context.set_compression(grpc.Compression.Gzip)
        echo_metadata(context)
        yield from respond(request, context, compresses)
        end_if_asked(request, context)

    def StreamingInputCall(self, request_iterator, context):
        echo_metadata(context)
        octets = sum(len(request.payload.body) for request in request_iterator)
        return messages.StreamingInputCallResponse(aggregated_payload_size=octets)

    def FullDuplexCall(self, request_iterator, context):
        echo_metadata(context)
        for request in request_iterator:
            yield from respond(request, context, False)
            end_if_asked(request, context)

    def HalfDuplexCall(self, request_iterator, context):
        echo_metadata(context)
        for request in list(request_iterator):
            yield from respond(request, context, False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--use_tls", default="false")
    parser.add_argument("--tls_cert_file")
    parser.add_argument("--tls_key_file")
    parser.add_argument("--max_concurrent_streams_limit", type=int, default=0)
    flags = parser.parse_args()
    # A conversation holds its thread until it ends.
    options = [("grpc.max_metadata_size", 131072), ("grpc.absolute_max_metadata_size", 131072)]
    if flags.max_concurrent_streams_limit:
        options.append(("grpc.max_concurrent_streams", flags.max_concurrent_streams_limit))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=200), options=options)
    test_pb2_grpc.add_TestServiceServicer_to_server(TestService(), server)
    address = f"127.0.0.1:{flags.port}"
    if flags.use_tls == "true":
        with open(flags.tls_key_file, "rb") as key, open(flags.tls_cert_file, "rb") as chain:
            credentials = grpc.ssl_server_credentials(((key.read(), chain.read()),))
        port = server.add_secure_port(address, credentials)
    else:
        port = server.add_insecure_port(address)
    server.start()
    print(f"port {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
