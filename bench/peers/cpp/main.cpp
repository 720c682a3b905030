// The benchmark's peer in C++: server or client of bench.proto over gRPC C++ (C-core), steered by the JSON lines of bench/protocol.ts.
#include <unistd.h>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/struct.pb.h>
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <stdexcept>
#include <thread>

#include "peer.h"

namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

const Value& field(const Struct& from, const std::string& name) {
  static const Value none;
  const auto found = from.fields().find(name);
  return found == from.fields().end() ? none : found->second;
}

double number(const Struct& from, const std::string& name) { return field(from, name).number_value(); }

std::string text(const std::string& raw) {
  Value value;
  value.set_string_value(raw);
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(value, &out);
  return out;
}

std::unique_ptr<Client> client;

std::string start(const Struct& params) {
  Tls tls;
  if (field(params, "tls").has_struct_value()) {
    const Struct& material = field(params, "tls").struct_value();
    tls = {true, field(material, "certificate").string_value(), field(material, "privateKey").string_value()};
  }
  int port = 0;
  if (field(params, "role").string_value() == "server") {
    port = serve(tls, field(params, "interceptors").bool_value());
  } else {
    const Struct& wanted = field(params, "load").struct_value();
    Load load;
    load.kind = field(wanted, "kind").string_value();
    load.body_octets = static_cast<int>(number(wanted, "bodyOctets"));
    load.in_flight = static_cast<int>(number(wanted, "inFlight"));
    load.connections = static_cast<int>(number(wanted, "connections"));
    load.messages_per_stream = static_cast<int>(number(wanted, "messagesPerStream"));
    load.metadata_entries = static_cast<int>(number(wanted, "metadataEntries"));
    load.latency = field(wanted, "latency").bool_value();
    load.interceptors = field(wanted, "interceptors").bool_value();
    client = std::make_unique<Client>(static_cast<int>(number(params, "port")), tls, load);
  }
  return "{\"port\":" + std::to_string(port) + ",\"pid\":" + std::to_string(getpid()) + ",\"versions\":{\"grpc-cpp\":" + text(grpc::Version()) + "}}";
}

std::string handle(const std::string& method, const Struct& params) {
  if (method == "start") return start(params);
  if (method == "usage") return current_usage().json();
  if (method == "run") {
    if (client == nullptr) throw std::runtime_error("run before start, or on a server");
    RunParams wanted;
    wanted.ramp_ms = number(params, "rampMs");
    wanted.duration_ms = number(params, "durationMs");
    wanted.max_completions = static_cast<int64_t>(number(params, "maxCompletions"));
    wanted.in_flight = static_cast<int>(number(params, "inFlight"));
    return client->run(wanted);
  }
  if (method == "settle") {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    std::string usage = current_usage().json();
    usage.insert(usage.size() - 1, ",\"externalOctets\":0");
    return usage;
  }
  if (method == "stop") return "{}";
  throw std::runtime_error("the C++ peer has no method " + method);
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    Struct request;
    if (!google::protobuf::util::JsonStringToMessage(line, &request).ok()) continue;
    const std::string id = std::to_string(static_cast<long>(number(request, "id")));
    const std::string method = field(request, "method").string_value();
    std::string answer;
    try {
      answer = "{\"id\":" + id + ",\"result\":" + handle(method, field(request, "params").struct_value()) + "}";
    } catch (const std::exception& error) {
      answer = "{\"id\":" + id + ",\"error\":" + text(error.what()) + "}";
    }
    std::cout << answer << std::endl;
    if (method == "stop") break;
  }
  _exit(0);
}
