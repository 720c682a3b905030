import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.MapEntry;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The services of the interoperability tests, read from a descriptor set when the program starts: no generated code. */
final class Definition {
  static final String TEST_SERVICE = "grpc.testing.TestService";
  static final String UNIMPLEMENTED_SERVICE = "grpc.testing.UnimplementedService";
  static final String ORCA_SERVICE = "xds.service.orca.v3.OpenRcaService";
  static final Metadata.Key<String> ECHO_INITIAL =
      Metadata.Key.of("x-grpc-test-echo-initial", Metadata.ASCII_STRING_MARSHALLER);
  static final Metadata.Key<byte[]> ECHO_TRAILING =
      Metadata.Key.of("x-grpc-test-echo-trailing-bin", Metadata.BINARY_BYTE_MARSHALLER);
  static final Metadata.Key<byte[]> LOAD_REPORT =
      Metadata.Key.of("endpoint-load-metrics-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private static final Map<String, FileDescriptor> FILES = new HashMap<>();

  /** Reads the set; files come behind those that they import. */
  static void load(String path) throws Exception {
    FileDescriptorSet set = FileDescriptorSet.parseFrom(Files.readAllBytes(Path.of(path)));
    for (FileDescriptorProto file : set.getFileList()) {
      FileDescriptor[] imports =
          file.getDependencyList().stream().map(FILES::get).toArray(FileDescriptor[]::new);
      FILES.put(file.getName(), FileDescriptor.buildFrom(file, imports));
    }
  }

  static Descriptor type(String name) {
    for (FileDescriptor file : FILES.values()) {
      for (Descriptor type : file.getMessageTypes()) {
        if (type.getFullName().equals(name) || type.getName().equals(name)) return type;
      }
    }
    throw new IllegalArgumentException("there is no message " + name);
  }

  static MethodDescriptor<DynamicMessage, DynamicMessage> method(String service, String name) {
    for (FileDescriptor file : FILES.values()) {
      for (var each : file.getServices()) {
        if (!each.getFullName().equals(service)) continue;
        var method = each.findMethodByName(name);
        var kind =
            method.isClientStreaming()
                ? method.isServerStreaming()
                    ? MethodDescriptor.MethodType.BIDI_STREAMING
                    : MethodDescriptor.MethodType.CLIENT_STREAMING
                : method.isServerStreaming()
                    ? MethodDescriptor.MethodType.SERVER_STREAMING
                    : MethodDescriptor.MethodType.UNARY;
        return MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
            .setType(kind)
            .setFullMethodName(MethodDescriptor.generateFullMethodName(service, name))
            .setRequestMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getInputType())))
            .setResponseMarshaller(ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(method.getOutputType())))
            .build();
      }
    }
    throw new IllegalArgumentException("there is no method " + service + "/" + name);
  }

  /** A message of `type` from names and values of fields. Lists fill repeated fields, maps of doubles map fields. */
  static DynamicMessage message(String type, Object... fields) {
    DynamicMessage.Builder builder = DynamicMessage.newBuilder(type(type));
    for (int i = 0; i < fields.length; i += 2) {
      FieldDescriptor field = builder.getDescriptorForType().findFieldByName((String) fields[i]);
      if (fields[i + 1] instanceof Map<?, ?> map) {
        map.forEach((key, value) -> builder.addRepeatedField(field, entry(field, key, value)));
      } else {
        builder.setField(field, fields[i + 1]);
      }
    }
    return builder.build();
  }

  private static Object entry(FieldDescriptor field, Object key, Object value) {
    Descriptor type = field.getMessageType();
    return DynamicMessage.newBuilder(type)
        .setField(type.findFieldByNumber(1), key)
        .setField(type.findFieldByNumber(2), value)
        .build();
  }

  /** The value of a field; of an absent message its default. */
  @SuppressWarnings("unchecked")
  static <T> T get(DynamicMessage message, String field) {
    return (T) message.getField(message.getDescriptorForType().findFieldByName(field));
  }

  static boolean has(DynamicMessage message, String field) {
    return message.hasField(message.getDescriptorForType().findFieldByName(field));
  }

  /** Whether a BoolValue field is there and true. */
  static boolean isTrue(DynamicMessage message, String field) {
    return has(message, field) && Definition.<Boolean>get(get(message, field), "value");
  }

  static DynamicMessage bool(boolean value) {
    return message("BoolValue", "value", value);
  }

  static DynamicMessage payload(int octets) {
    return message("Payload", "body", ByteString.copyFrom(new byte[octets]));
  }

  static int bodySize(DynamicMessage message) {
    return Definition.<ByteString>get(get(message, "payload"), "body").size();
  }

  /** The load report that a TestOrcaReport asks for. */
  static DynamicMessage loadReport(DynamicMessage wanted) {
    return message(
        "OrcaLoadReport",
        "cpu_utilization", get(wanted, "cpu_utilization"),
        "mem_utilization", get(wanted, "memory_utilization"),
        "request_cost", entries(wanted, "request_cost"),
        "utilization", entries(wanted, "utilization"));
  }

  private static Map<Object, Object> entries(DynamicMessage message, String field) {
    Map<Object, Object> map = new HashMap<>();
    for (Object entry : Definition.<List<?>>get(message, field)) {
      if (entry instanceof MapEntry<?, ?> pair) {
        map.put(pair.getKey(), pair.getValue());
      } else {
        map.put(get((DynamicMessage) entry, "key"), get((DynamicMessage) entry, "value"));
      }
    }
    return map;
  }

  /** `--name=value` pairs. */
  static Map<String, String> flags(String[] args) {
    Map<String, String> flags = new HashMap<>();
    for (String arg : args) {
      int equals = arg.indexOf('=');
      if (!arg.startsWith("--") || equals < 0) throw new IllegalArgumentException(arg);
      flags.put(arg.substring(2, equals), arg.substring(equals + 1));
    }
    return flags;
  }

  private Definition() {}
}
