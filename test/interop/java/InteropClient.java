import static java.util.stream.IntStream.range;

import com.google.protobuf.DynamicMessage;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Codec;
import io.grpc.Decompressor;
import io.grpc.DecompressorRegistry;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The interoperability cases on grpc-java: `InteropClient --descriptors=F --server_host=H --server_port=N --test_case=A,B [--use_tls=true …]`. */
public final class InteropClient {
  private static final int[] REQUEST_SIZES = {27182, 8, 1828, 45904};
  private static final int[] RESPONSE_SIZES = {31415, 9, 2653, 58979};
  private static final int LARGE_REQUEST = 271828;
  private static final int LARGE_RESPONSE = 314159;
  private static final byte[] OCTETS = {(byte) 0xab, (byte) 0xab, (byte) 0xab};
  private static final CallOptions GZIP = CallOptions.DEFAULT.withCompression("gzip");

  private static Map<String, String> flags;

  /** Runs one case; throws when it fails. */
  private interface Case {
    void run(Client client) throws Exception;
  }

  /** A channel of its own. */
  private static final class Client implements AutoCloseable {
    final ManagedChannel channel;
    /** Compressed messages that came. */
    final AtomicInteger inflated = new AtomicInteger();

    Client() throws Exception {
      Codec.Gzip codec = new Codec.Gzip();
      Decompressor gzip = new Decompressor() {
        @Override
        public String getMessageEncoding() {
          return codec.getMessageEncoding();
        }

        @Override
        public InputStream decompress(InputStream stream) throws IOException {
          inflated.incrementAndGet();
          return codec.decompress(stream);
        }
      };
      NettyChannelBuilder builder =
          NettyChannelBuilder.forAddress(
                  flags.get("server_host"), Integer.parseInt(flags.get("server_port")))
              .maxInboundMessageSize(Integer.MAX_VALUE)
              .maxInboundMetadataSize(131_072)
              .decompressorRegistry(DecompressorRegistry.emptyInstance().with(gzip, true));
      if (flags.getOrDefault("use_tls", "false").equals("true")) {
        builder.sslContext(
            GrpcSslContexts.forClient().trustManager(new File(flags.get("ca_file"))).build());
        builder.overrideAuthority(flags.get("server_host_override"));
      } else {
        builder.usePlaintext();
      }
      channel = builder.build();
    }

    Call start(String service, String method, CallOptions options, Metadata metadata) {
      return new Call(channel.newCall(Definition.method(service, method), options), metadata);
    }

    Call start(String method) {
      return start(Definition.TEST_SERVICE, method, CallOptions.DEFAULT, new Metadata());
    }

    Call unary(DynamicMessage request, CallOptions options, Metadata metadata) {
      Call call = start(Definition.TEST_SERVICE, "UnaryCall", options, metadata);
      call.send(request);
      call.halfClose();
      return call;
    }

    Call unary(DynamicMessage request) {
      return unary(request, CallOptions.DEFAULT, new Metadata());
    }

    @Override
    public void close() {
      channel.shutdownNow();
    }
  }

  /** A call whose events wait to be looked at. */
  private static final class Call extends ClientCall.Listener<DynamicMessage> {
    final ClientCall<DynamicMessage, DynamicMessage> call;
    Metadata headers = new Metadata();
    Metadata trailers;
    private Status status;
    private final CountDownLatch headersThere = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final LinkedBlockingQueue<Optional<DynamicMessage>> messages =
        new LinkedBlockingQueue<>();

    Call(ClientCall<DynamicMessage, DynamicMessage> call, Metadata metadata) {
      this.call = call;
      call.start(this, metadata);
      call.request(Integer.MAX_VALUE);
    }

    @Override
    public void onHeaders(Metadata received) {
      headers = received;
      headersThere.countDown();
    }

    @Override
    public void onMessage(DynamicMessage message) {
      messages.add(Optional.of(message));
    }

    @Override
    public void onClose(Status reason, Metadata received) {
      status = reason;
      trailers = received;
      messages.add(Optional.empty());
      headersThere.countDown();
      ended.countDown();
    }

    void send(DynamicMessage message) {
      call.sendMessage(message);
    }

    void halfClose() {
      call.halfClose();
    }

    void cancel() {
      call.cancel("the test wants it", null);
    }

    void awaitHeaders() throws InterruptedException {
      headersThere.await(30, TimeUnit.SECONDS);
    }

    /** The next response, null at the end. */
    DynamicMessage next() throws InterruptedException {
      Optional<DynamicMessage> next = messages.poll(30, TimeUnit.SECONDS);
      check(next != null, "nothing came for 30 seconds");
      return next.orElse(null);
    }

    void expect(Status.Code code, String description) throws InterruptedException {
      check(ended.await(60, TimeUnit.SECONDS), "the call does not end");
      check(status.getCode() == code, "the status is " + status + " instead of " + code);
      if (description != null) {
        check(description.equals(status.getDescription()), "the message is " + status);
      }
    }

    void expectOk() throws InterruptedException {
      expect(Status.Code.OK, null);
    }

    /** The response of a unary call that must have a body of `octets`. */
    DynamicMessage expectBody(int octets) throws InterruptedException {
      expectOk();
      DynamicMessage response = next();
      check(response != null, "there is no response");
      int found = Definition.bodySize(response);
      check(found == octets, "the body has " + found + " octets instead of " + octets);
      return response;
    }

    void exchange(int requestOctets, int responseOctets) throws InterruptedException {
      send(ping(requestOctets, responseOctets));
      DynamicMessage response = next();
      check(response != null, "the call ended with " + status);
      check(Definition.bodySize(response) == responseOctets, "the size of a response");
    }
  }

  private static void check(boolean condition, String message) {
    if (!condition) throw new IllegalStateException(message);
  }

  private static DynamicMessage large(Object... more) {
    return Definition.message("SimpleRequest", "response_size", LARGE_RESPONSE, "payload",
            Definition.payload(LARGE_REQUEST)).toBuilder()
        .mergeFrom(Definition.message("SimpleRequest", more))
        .build();
  }

  private static DynamicMessage ping(int requestOctets, int responseOctets) {
    return Definition.message(
        "StreamingOutputCallRequest",
        "response_parameters", List.of(parameters(responseOctets)),
        "payload", Definition.payload(requestOctets));
  }

  private static DynamicMessage parameters(int size, Object... more) {
    return Definition.message("ResponseParameters", "size", size).toBuilder()
        .mergeFrom(Definition.message("ResponseParameters", more))
        .build();
  }

  private static DynamicMessage input(int octets, Object... more) {
    return Definition.message("StreamingInputCallRequest", "payload", Definition.payload(octets))
        .toBuilder()
        .mergeFrom(Definition.message("StreamingInputCallRequest", more))
        .build();
  }

  private static Metadata initial(String value) {
    Metadata metadata = new Metadata();
    metadata.put(Definition.ECHO_INITIAL, value);
    return metadata;
  }

  private static void expectEcho(Call call) {
    String text = call.headers.get(Definition.ECHO_INITIAL);
    check("test_initial_metadata_value".equals(text), "the initial metadata is " + text);
    byte[] octets = call.trailers.get(Definition.ECHO_TRAILING);
    check(java.util.Arrays.equals(OCTETS, octets), "the trailing metadata did not come back");
  }

  private static DynamicMessage orcaReport() {
    return Definition.message("TestOrcaReport", "cpu_utilization", 0.821, "memory_utilization",
        0.5847, "request_cost", Map.of("cost", 3456.32), "utilization", Map.of("util", 0.30499));
  }

  private static void soak(boolean newChannels, Client shared) throws Exception {
    for (int i = 0; i < 10; i++) {
      Client client = newChannels ? new Client() : shared;
      client.unary(large()).expectBody(LARGE_RESPONSE);
      if (newChannels) client.close();
    }
  }

  private static Call duplex(Client client, Metadata metadata) {
    return client.start(
        Definition.TEST_SERVICE, "FullDuplexCall", CallOptions.DEFAULT, metadata);
  }

  private static void unimplemented(Client client, String service) throws Exception {
    Call call = client.start(service, "UnimplementedCall", CallOptions.DEFAULT, new Metadata());
    call.send(Definition.message("Empty"));
    call.halfClose();
    call.expect(Status.Code.UNIMPLEMENTED, null);
  }

  private static final Map<String, Case> CASES = new LinkedHashMap<>();

  static {
    CASES.put("empty_unary", client -> {
      Call call = client.start("EmptyCall");
      call.send(Definition.message("Empty"));
      call.halfClose();
      call.expectOk();
      check(call.next() != null, "there is no response");
    });
    CASES.put("large_unary", client -> client.unary(large()).expectBody(LARGE_RESPONSE));
    CASES.put("client_streaming", client -> {
      Call call = client.start("StreamingInputCall");
      for (int size : REQUEST_SIZES) call.send(input(size));
      call.halfClose();
      call.expectOk();
      check(Definition.<Integer>get(call.next(), "aggregated_payload_size") == 74922, "the sum");
    });
    CASES.put("server_streaming", client -> {
      Call call = client.start("StreamingOutputCall");
      call.send(Definition.message("StreamingOutputCallRequest", "response_parameters",
          java.util.Arrays.stream(RESPONSE_SIZES).mapToObj(InteropClient::parameters).toList()));
      call.halfClose();
      for (int size : RESPONSE_SIZES) check(Definition.bodySize(call.next()) == size, "a size");
      check(call.next() == null, "a response too many");
      call.expectOk();
    });
    CASES.put("ping_pong", client -> {
      Call call = client.start("FullDuplexCall");
      for (int i = 0; i < 4; i++) call.exchange(REQUEST_SIZES[i], RESPONSE_SIZES[i]);
      call.halfClose();
      check(call.next() == null, "a response too many");
      call.expectOk();
    });
    CASES.put("empty_stream", client -> {
      Call call = client.start("FullDuplexCall");
      call.halfClose();
      check(call.next() == null, "a response");
      call.expectOk();
    });
    CASES.put("cancel_after_begin", client -> {
      Call call = client.start("StreamingInputCall");
      call.cancel();
      call.expect(Status.Code.CANCELLED, null);
    });
    CASES.put("cancel_after_first_response", client -> {
      Call call = client.start("FullDuplexCall");
      call.exchange(27182, 31415);
      call.cancel();
      call.expect(Status.Code.CANCELLED, null);
    });
    CASES.put("timeout_on_sleeping_server", client -> {
      Call call = client.start(Definition.TEST_SERVICE, "FullDuplexCall",
          CallOptions.DEFAULT.withDeadlineAfter(1, TimeUnit.MILLISECONDS), new Metadata());
      call.send(Definition.message("StreamingOutputCallRequest", "payload",
          Definition.payload(27182)));
      call.expect(Status.Code.DEADLINE_EXCEEDED, null);
    });
    CASES.put("custom_metadata", client -> {
      Metadata metadata = initial("test_initial_metadata_value");
      metadata.put(Definition.ECHO_TRAILING, OCTETS);
      Call unary = client.unary(large(), CallOptions.DEFAULT, metadata);
      unary.expectBody(LARGE_RESPONSE);
      expectEcho(unary);
      Call call = duplex(client, metadata);
      call.exchange(LARGE_REQUEST, LARGE_RESPONSE);
      call.halfClose();
      call.expectOk();
      expectEcho(call);
    });
    CASES.put("status_code_and_message", client -> {
      String message = "test status message";
      DynamicMessage status = Definition.message("EchoStatus", "code", 2, "message", message);
      client.unary(Definition.message("SimpleRequest", "response_status", status))
          .expect(Status.Code.UNKNOWN, message);
      Call call = client.start("FullDuplexCall");
      call.send(Definition.message("StreamingOutputCallRequest", "response_status", status));
      call.halfClose();
      call.expect(Status.Code.UNKNOWN, message);
    });
    CASES.put("special_status_message", client -> {
      String message =
          "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \ud83d\ude08\t\n";
      DynamicMessage status = Definition.message("EchoStatus", "code", 2, "message", message);
      client.unary(Definition.message("SimpleRequest", "response_status", status))
          .expect(Status.Code.UNKNOWN, message);
    });
    CASES.put("unimplemented_method", client -> unimplemented(client, Definition.TEST_SERVICE));
    CASES.put("unimplemented_service",
        client -> unimplemented(client, Definition.UNIMPLEMENTED_SERVICE));
    CASES.put("client_compressed_unary", client -> {
      DynamicMessage probe = large("expect_compressed", Definition.bool(true));
      client.unary(probe).expect(Status.Code.INVALID_ARGUMENT, null);
      client.unary(probe, GZIP, new Metadata()).expectBody(LARGE_RESPONSE);
      client.unary(large("expect_compressed", Definition.bool(false)))
          .expectBody(LARGE_RESPONSE);
    });
    CASES.put("client_compressed_streaming", client -> {
      Call probe = client.start(Definition.TEST_SERVICE, "StreamingInputCall", GZIP, new Metadata());
      probe.call.setMessageCompression(false);
      probe.send(input(27182, "expect_compressed", Definition.bool(true)));
      probe.halfClose();
      probe.expect(Status.Code.INVALID_ARGUMENT, null);
      Call call = client.start(Definition.TEST_SERVICE, "StreamingInputCall", GZIP, new Metadata());
      call.call.setMessageCompression(true);
      call.send(input(27182, "expect_compressed", Definition.bool(true)));
      call.call.setMessageCompression(false);
      call.send(input(45904, "expect_compressed", Definition.bool(false)));
      call.halfClose();
      call.expectOk();
      check(Definition.<Integer>get(call.next(), "aggregated_payload_size") == 73086, "the sum");
    });
    CASES.put("server_compressed_unary", client -> {
      client.unary(large("response_compressed", Definition.bool(true))).expectBody(LARGE_RESPONSE);
      check(client.inflated.get() == 1, "the response was not compressed");
      client.unary(large("response_compressed", Definition.bool(false)))
          .expectBody(LARGE_RESPONSE);
      check(client.inflated.get() == 1, "the response was compressed");
    });
    CASES.put("server_compressed_streaming", client -> {
      Call call = client.start("StreamingOutputCall");
      call.send(Definition.message("StreamingOutputCallRequest", "response_parameters", List.of(
          parameters(31415, "compressed", Definition.bool(true)),
          parameters(92653, "compressed", Definition.bool(false)))));
      call.halfClose();
      check(Definition.bodySize(call.next()) == 31415, "the first size");
      check(Definition.bodySize(call.next()) == 92653, "the second size");
      call.expectOk();
      check(client.inflated.get() == 1, client.inflated.get() + " responses were compressed");
    });
    CASES.put("orca_per_rpc", client -> {
      Call call = client.unary(
          Definition.message("SimpleRequest", "orca_per_query_report", orcaReport()));
      call.expectOk();
      byte[] octets = call.trailers.get(Definition.LOAD_REPORT);
      check(octets != null, "there is no report");
      DynamicMessage found =
          DynamicMessage.parseFrom(Definition.type("OrcaLoadReport"), octets);
      check(found.equals(Definition.loadReport(orcaReport())), "the report is " + found);
    });
    CASES.put("orca_oob", client -> {
      Call reports = client.start(Definition.ORCA_SERVICE, "StreamCoreMetrics",
          CallOptions.DEFAULT, new Metadata());
      reports.send(Definition.message("OrcaLoadReportRequest"));
      reports.halfClose();
      Call call = client.start("FullDuplexCall");
      for (double cpu : new double[] {0.821, 0.29309}) {
        DynamicMessage wanted =
            Definition.message("TestOrcaReport", "cpu_utilization", cpu, "memory_utilization", 0.2);
        call.send(Definition.message("StreamingOutputCallRequest", "orca_oob_report", wanted,
            "response_parameters", List.of(parameters(1))));
        check(call.next() != null, "the call ended");
        int left = 60;
        while (!reports.next().equals(Definition.loadReport(wanted))) {
          check(--left > 0, "the report does not come");
        }
      }
      call.halfClose();
      call.expectOk();
      reports.cancel();
    });
    CASES.put("rpc_soak", client -> soak(false, client));
    CASES.put("channel_soak", client -> soak(true, client));
    CASES.put("concurrent_large_unary", client -> {
      List<Call> calls = range(0, 1000).mapToObj(i -> client.unary(large())).toList();
      for (Call call : calls) call.expectBody(LARGE_RESPONSE);
    });
    CASES.put("pick_first_unary", client -> {
      DynamicMessage request =
          Definition.message("SimpleRequest", "response_size", 1, "fill_server_id", true);
      java.util.Set<String> ids = new java.util.HashSet<>();
      for (int i = 0; i < 100; i++) {
        ids.add(Definition.get(client.unary(request).expectBody(1), "server_id"));
      }
      check(ids.size() == 1 && !ids.contains(""), "the servers are " + ids);
    });
    CASES.put("large_header", client -> {
      String value = "h".repeat(63 * 1024);
      Call call = client.unary(
          Definition.message("SimpleRequest"), CallOptions.DEFAULT, initial(value));
      call.expectOk();
      check(value.equals(call.headers.get(Definition.ECHO_INITIAL)), "the header");
    });
    CASES.put("thousands_of_simultaneous_calls", client -> {
      List<Call> calls = range(0, 3000).mapToObj(i -> client.start("FullDuplexCall")).toList();
      for (Call call : calls) {
        call.send(ping(10, 20));
        call.halfClose();
      }
      for (Call call : calls) call.expectOk();
    });
    CASES.put("thousands_of_simultaneous_deadlines", client -> {
      List<Call> calls = range(0, 3000).mapToObj(i -> client.start(Definition.TEST_SERVICE,
          "FullDuplexCall",
          CallOptions.DEFAULT.withDeadlineAfter(1 + i % 300, TimeUnit.MILLISECONDS),
          new Metadata())).toList();
      for (Call call : calls) call.expect(Status.Code.DEADLINE_EXCEEDED, null);
      client.unary(large()).expectBody(LARGE_RESPONSE);
    });
    CASES.put("server_speaks_first", client -> {
      Call call = duplex(client, initial("first"));
      call.awaitHeaders();
      check("first".equals(call.headers.get(Definition.ECHO_INITIAL)), "the header");
      call.exchange(10, 20);
      call.halfClose();
      call.expectOk();
    });
    CASES.put("cancel_before_start", client -> {
      try (Client other = new Client()) {
        Call call = other.unary(large());
        call.cancel();
        call.expect(Status.Code.CANCELLED, null);
        other.unary(large()).expectBody(LARGE_RESPONSE);
      }
    });
    CASES.put("cancel_after_headers", client -> {
      Call call = duplex(client, initial("first"));
      call.awaitHeaders();
      call.cancel();
      call.expect(Status.Code.CANCELLED, null);
      client.unary(large()).expectBody(LARGE_RESPONSE);
    });
    CASES.put("large_message_pushback", client -> {
      Call call = client.start("FullDuplexCall");
      for (int i = 0; i < 20; i++) {
        call.send(Definition.message("StreamingOutputCallRequest", "response_parameters",
            List.of(parameters(300_000, "interval_us", 20_000)),
            "payload", Definition.payload(500_000)));
      }
      call.halfClose();
      for (int i = 0; i < 20; i++) check(Definition.bodySize(call.next()) == 300_000, "a size");
      check(call.next() == null, "a response too many");
      call.expectOk();
    });
    CASES.put("half_duplex", client -> {
      Call call = client.start("HalfDuplexCall");
      for (int octets : new int[] {10, 20, 30}) call.send(ping(octets, octets + 1));
      call.halfClose();
      for (int octets : new int[] {11, 21, 31}) {
        check(Definition.bodySize(call.next()) == octets, "a size");
      }
      call.expectOk();
    });
  }

  private static int run(String name) {
    Case test = CASES.get(name);
    if (test == null) {
      System.out.println(name + ": not supported, the case is not written");
      return 2;
    }
    try (Client client = new Client()) {
      test.run(client);
    } catch (Throwable error) {
      System.out.println(name + ": failed, " + String.valueOf(error).replace('\n', ' '));
      return 1;
    }
    System.out.println(name + ": passed");
    return 0;
  }

  public static void main(String[] args) throws Exception {
    flags = Definition.flags(args);
    Definition.load(flags.get("descriptors"));
    int worst = 0;
    for (String name : flags.get("test_case").split(",")) {
      int code = run(name);
      worst = worst == 1 || code == 1 ? 1 : Math.max(worst, code);
    }
    System.exit(worst);
  }
}
