import com.google.protobuf.DynamicMessage;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** grpc.testing.TestService on grpc-java: `InteropServer --descriptors=F --port=N [--use_tls=true --tls_cert_file=F --tls_key_file=F]`. */
public final class InteropServer {
  private static final ScheduledExecutorService TIMER = Executors.newScheduledThreadPool(1);
  private static volatile DynamicMessage oobReport;

  /** Serves one call. */
  private interface Behaviour {
    void onMessage(Answer answer, DynamicMessage request);

    default void onHalfClose(Answer answer) {
      answer.close();
    }
  }

  /** One call's responses, one after the other with their pauses. */
  private static final class Answer {
    final ServerCall<DynamicMessage, DynamicMessage> call;
    final Metadata trailers = new Metadata();
    final List<DynamicMessage> requests = new ArrayList<>();
    int octets;
    boolean compresses;
    private final Metadata headers = new Metadata();
    private boolean begun;
    private boolean over;
    private boolean waiting;
    private final ArrayList<Runnable> steps = new ArrayList<>();

    Answer(ServerCall<DynamicMessage, DynamicMessage> call, Metadata received) {
      this.call = call;
      String initial = received.get(Definition.ECHO_INITIAL);
      if (initial != null) headers.put(Definition.ECHO_INITIAL, initial);
      byte[] trailing = received.get(Definition.ECHO_TRAILING);
      if (trailing != null) trailers.put(Definition.ECHO_TRAILING, trailing);
    }

    synchronized void begin() {
      if (begun) return;
      begun = true;
      if (compresses) call.setCompression("gzip");
      call.sendHeaders(headers);
    }

    void send(DynamicMessage message, boolean compressed) {
      step(0, () -> {
        begin();
        if (compresses) call.setMessageCompression(compressed);
        call.sendMessage(message);
      });
    }

    void close() {
      step(0, () -> {
        over = true;
        begin();
        call.close(Status.OK, trailers);
      });
    }

    void fail(DynamicMessage status) {
      int code = Definition.get(status, "code");
      String message = Definition.get(status, "message");
      step(0, () -> {
        over = true;
        call.close(Status.fromCodeValue(code).withDescription(message), trailers);
      });
    }

    void pause(int microseconds) {
      step(microseconds, () -> {});
    }

    /** Runs `action` behind all that was put here before, and `microseconds` later. */
    private synchronized void step(int microseconds, Runnable action) {
      Runnable run = () -> {
        if (!over && !call.isCancelled()) action.run();
      };
      if (!waiting && microseconds == 0) {
        run.run();
        return;
      }
      steps.add(microseconds == 0 ? run : null);
      if (microseconds > 0) {
        pauses.add(microseconds);
        if (!waiting) wait(pauses.get(0));
      }
    }

    private final ArrayList<Integer> pauses = new ArrayList<>();

    private void wait(int microseconds) {
      waiting = true;
      TIMER.schedule(this::resume, microseconds, TimeUnit.MICROSECONDS);
    }

    private synchronized void resume() {
      waiting = false;
      steps.remove(0);
      pauses.remove(0);
      while (!steps.isEmpty()) {
        if (steps.get(0) == null) {
          wait(pauses.get(0));
          return;
        }
        steps.remove(0).run();
      }
    }
  }

  private static ServerCallHandler<DynamicMessage, DynamicMessage> handler(Behaviour behaviour) {
    return (call, received) -> {
      Answer answer = new Answer(call, received);
      if (call.getMethodDescriptor().getType() == MethodDescriptor.MethodType.BIDI_STREAMING
          && received.containsKey(Definition.ECHO_INITIAL)) {
        answer.begin();
      }
      call.request(1);
      return new ServerCall.Listener<>() {
        @Override
        public void onMessage(DynamicMessage request) {
          behaviour.onMessage(answer, request);
          call.request(1);
        }

        @Override
        public void onHalfClose() {
          behaviour.onHalfClose(answer);
        }
      };
    };
  }

  private static void unary(Answer answer, DynamicMessage request) {
    if (Definition.has(request, "orca_per_query_report")) {
      DynamicMessage report = Definition.loadReport(Definition.get(request, "orca_per_query_report"));
      answer.trailers.put(Definition.LOAD_REPORT, report.toByteArray());
    }
    if (endIfAsked(answer, request)) return;
    answer.compresses = Definition.has(request, "response_compressed");
    String id = Definition.<Boolean>get(request, "fill_server_id") ? "grpc-java" : "";
    answer.send(
        Definition.message(
            "SimpleResponse",
            "payload", Definition.payload(Definition.get(request, "response_size")),
            "server_id", id),
        Definition.isTrue(request, "response_compressed"));
  }

  private static boolean endIfAsked(Answer answer, DynamicMessage request) {
    DynamicMessage status = Definition.get(request, "response_status");
    if (Definition.<Integer>get(status, "code") == 0) return false;
    answer.fail(status);
    return true;
  }

  private static void respond(Answer answer, DynamicMessage request) {
    if (Definition.has(request, "orca_oob_report")) {
      oobReport = Definition.loadReport(Definition.get(request, "orca_oob_report"));
    }
    List<DynamicMessage> parameters = Definition.get(request, "response_parameters");
    for (DynamicMessage each : parameters) {
      if (Definition.has(each, "compressed")) answer.compresses = true;
    }
    for (DynamicMessage each : parameters) {
      int pause = Definition.get(each, "interval_us");
      if (pause > 0) answer.pause(pause);
      Object address = answer.call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
      boolean tells = Definition.isTrue(each, "fill_peer_socket_address");
      answer.send(
          Definition.message(
              "StreamingOutputCallResponse",
              "payload", Definition.payload(Definition.get(each, "size")),
              "peer_socket_address", tells ? String.valueOf(address) : ""),
          Definition.isTrue(each, "compressed"));
    }
    endIfAsked(answer, request);
  }

  private static void report(Answer answer) {
    if (answer.call.isCancelled()) return;
    DynamicMessage current = oobReport;
    answer.send(current == null ? Definition.message("OrcaLoadReport") : current, false);
    TIMER.schedule(() -> report(answer), 500, TimeUnit.MILLISECONDS);
  }

  private static ServerServiceDefinition testService() {
    ServerServiceDefinition.Builder service =
        ServerServiceDefinition.builder(Definition.TEST_SERVICE);
    Map<String, Behaviour> behaviours =
        Map.of(
            "EmptyCall", (answer, request) -> answer.send(Definition.message("Empty"), false),
            "UnaryCall", InteropServer::unary,
            "StreamingOutputCall", InteropServer::respond,
            "FullDuplexCall", InteropServer::respond,
            "StreamingInputCall", new Behaviour() {
              @Override
              public void onMessage(Answer answer, DynamicMessage request) {
                answer.octets += Definition.bodySize(request);
              }

              @Override
              public void onHalfClose(Answer answer) {
                answer.send(
                    Definition.message(
                        "StreamingInputCallResponse", "aggregated_payload_size", answer.octets),
                    false);
                answer.close();
              }
            },
            "HalfDuplexCall", new Behaviour() {
              @Override
              public void onMessage(Answer answer, DynamicMessage request) {
                answer.requests.add(request);
              }

              @Override
              public void onHalfClose(Answer answer) {
                for (DynamicMessage request : answer.requests) respond(answer, request);
                answer.close();
              }
            });
    behaviours.forEach(
        (name, behaviour) ->
            service.addMethod(Definition.method(Definition.TEST_SERVICE, name), handler(behaviour)));
    return service.build();
  }

  private static ServerServiceDefinition orcaService() {
    Behaviour reports = new Behaviour() {
      @Override
      public void onMessage(Answer answer, DynamicMessage request) {
        report(answer);
      }

      @Override
      public void onHalfClose(Answer answer) {}
    };
    return ServerServiceDefinition.builder(Definition.ORCA_SERVICE)
        .addMethod(Definition.method(Definition.ORCA_SERVICE, "StreamCoreMetrics"), handler(reports))
        .build();
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = Definition.flags(args);
    Definition.load(flags.get("descriptors"));
    NettyServerBuilder builder =
        NettyServerBuilder.forPort(Integer.parseInt(flags.get("port")))
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .maxInboundMetadataSize(131_072)
            .addService(testService())
            .addService(orcaService());
    int streams = Integer.parseInt(flags.getOrDefault("max_concurrent_streams_limit", "0"));
    if (streams > 0) builder.maxConcurrentCallsPerConnection(streams);
    if (flags.getOrDefault("use_tls", "false").equals("true")) {
      builder.useTransportSecurity(
          new File(flags.get("tls_cert_file")), new File(flags.get("tls_key_file")));
    }
    var server = builder.build().start();
    System.out.println("port " + server.getPort());
    server.awaitTermination();
  }
}
