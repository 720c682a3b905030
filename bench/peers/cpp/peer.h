// What the files of the C++ peer share.
#pragma once

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/server_interceptor.h>

#include "bench.grpc.pb.h"

constexpr int kMaxMessageOctets = 8 << 20;

struct Tls {
  bool secure = false;
  std::string certificate;
  std::string private_key;
};

struct Load {
  std::string kind;
  int body_octets = 0;
  int in_flight = 1;
  int connections = 1;
  int messages_per_stream = 0;
  int metadata_entries = 0;
  bool latency = false;
  bool interceptors = false;
};

struct RunParams {
  double ramp_ms = 0;
  double duration_ms = 0;
  int64_t max_completions = 0;
  int in_flight = 0;
};

// What the process has used since its start, as bench/protocol.ts defines it.
struct Usage {
  int64_t user_micros = 0, system_micros = 0, involuntary_switches = 0, read_calls = 0, write_calls = 0, read_octets = 0, written_octets = 0, rss_octets = 0;
  Usage since(const Usage& before) const;
  std::string json() const;
};
Usage current_usage();

// The body all messages carry, the same in every language.
std::string patterned_body(int octets);

// What the interceptors of every arm do: the server asks for a token, both sides count the statuses.
std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> client_interceptors();
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> server_interceptors();

// Listens on a free port of 127.0.0.1 and returns it.
int serve(const Tls& tls, bool interceptors);

// Counts the completions of one slice, as worker/meter.ts does; calls complete on the library's threads.
class Meter {
 public:
  using Clock = std::chrono::steady_clock;
  Meter(const RunParams& params, bool latency) : latency_(latency), limit_(params.max_completions), started_(Clock::now()), window_start_(started_) {}
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  Clock::time_point begin() const { return latency_ ? Clock::now() : Clock::time_point(); }
  void end(Clock::time_point started);
  void complete();
  void open_window();
  void stop();
  std::string result(const Usage& usage);

 private:
  const bool latency_;
  const int64_t limit_;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> completions_{0};
  std::mutex mutex_;
  std::vector<double> latencies_;
  Clock::time_point started_, window_start_, window_end_;
  int64_t at_start_ = 0, at_end_ = 0;
};

class Client {
 public:
  Client(int port, const Tls& tls, const Load& load);
  std::string run(const RunParams& params);
  std::unique_ptr<purewire::bench::Bench::Stub> connect() const;
  void prepare(grpc::ClientContext& context) const;
  // Throws on a response that is not the request.
  void check(const purewire::bench::Message& message, uint32_t sequence) const;

  const Load load;
  const std::string body;

 private:
  const std::string target_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::vector<std::unique_ptr<purewire::bench::Bench::Stub>> connections_;
};
