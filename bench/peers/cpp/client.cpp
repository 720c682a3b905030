// Calls bench.proto under a load through the callback API, checks every response and counts it.
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <thread>

#include "peer.h"

using namespace purewire::bench;  // NOLINT: the messages of one file

namespace {

// Waits until all chains of a slice are over; keeps the first failure.
class Chains {
 public:
  explicit Chains(int count) : left_(count) {}
  void over(const std::string& failure = "") {
    // Notified under the lock: the waiter destroys this as soon as it may.
    std::lock_guard<std::mutex> lock(mutex_);
    if (!failure.empty() && failure_.empty()) failure_ = failure;
    if (--left_ == 0) none_.notify_all();
  }
  template <typename Duration>
  bool wait_for(Duration span) {
    std::unique_lock<std::mutex> lock(mutex_);
    return none_.wait_for(lock, span, [this] { return left_ == 0; });
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    none_.wait(lock, [this] { return left_ == 0; });
    if (!failure_.empty()) throw std::runtime_error(failure_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int left_;
  std::string failure_;
};

std::string failed(const grpc::Status& status) {
  return "status " + std::to_string(status.error_code()) + ": " + status.error_message();
}

// One unary call after another.
class UnaryChain {
 public:
  UnaryChain(const Client& client, Bench::Stub* stub, Meter& meter, Chains& chains) : client_(client), stub_(stub), meter_(meter), chains_(chains) {}
  void next() {
    if (meter_.stopped()) return finish("");
    started_ = meter_.begin();
    context_ = std::make_unique<grpc::ClientContext>();
    client_.prepare(*context_);
    auto done = [this](const grpc::Status& status) { ended(status); };
    if (client_.body.empty()) {
      stub_->async()->Nothing(context_.get(), &empty_, &nothing_, done);
    } else {
      request_.set_sequence(++sequence_);
      if (request_.body().empty()) request_.set_body(client_.body);
      stub_->async()->Echo(context_.get(), &request_, &response_, done);
    }
  }

 private:
  void ended(const grpc::Status& status) {
    try {
      if (!status.ok()) throw std::runtime_error(failed(status));
      if (!client_.body.empty()) client_.check(response_, sequence_);
    } catch (const std::exception& error) {
      meter_.stop();
      return finish(error.what());
    }
    meter_.end(started_);
    next();
  }
  void finish(const std::string& failure) {
    Chains& chains = chains_;
    delete this;
    chains.over(failure);
  }
  const Client& client_;
  Bench::Stub* stub_;
  Meter& meter_;
  Chains& chains_;
  std::unique_ptr<grpc::ClientContext> context_;
  Empty empty_, nothing_;
  Message request_, response_;
  uint32_t sequence_ = 0;
  Meter::Clock::time_point started_;
};

class PingPong : public grpc::ClientBidiReactor<Message, Message> {
 public:
  PingPong(const Client& client, Bench::Stub* stub, Meter& meter, Chains& chains) : client_(client), meter_(meter), chains_(chains) {
    client.prepare(context_);
    request_.set_body(client.body);
    stub->async()->PingPong(&context_, this);
    send();
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    try {
      client_.check(response_, request_.sequence());
    } catch (const std::exception& error) {
      failure_ = error.what();
      meter_.stop();
      return context_.TryCancel();
    }
    meter_.end(started_);
    one_done();
  }
  void OnWriteDone(bool ok) override {
    if (ok) one_done();
  }
  void OnDone(const grpc::Status& status) override {
    Chains& chains = chains_;
    const std::string failure = !failure_.empty() ? failure_ : status.ok() ? "" : failed(status);
    if (!failure.empty()) meter_.stop();
    delete this;
    chains.over(failure);
  }

 private:
  // The next write may start only when the last one is known to be done, which can come after its response.
  void one_done() {
    if (--pending_ > 0) return;
    if (!meter_.stopped()) return send();
    StartWritesDone();
    StartRead(&response_);
  }
  void send() {
    started_ = meter_.begin();
    pending_ = 2;
    request_.set_sequence(request_.sequence() + 1);
    StartWrite(&request_);
    StartRead(&response_);
  }
  const Client& client_;
  Meter& meter_;
  Chains& chains_;
  grpc::ClientContext context_;
  Message request_, response_;
  std::atomic<int> pending_{0};
  std::string failure_;
  Meter::Clock::time_point started_;
};

// Streams of one direction run on a thread each: one or a few of them, and the blocking API is what is used for that.
void download(const Client& client, Bench::Stub* stub, Meter& meter) {
  while (!meter.stopped()) {
    grpc::ClientContext context;
    client.prepare(context);
    DownloadRequest asked;
    asked.set_messages(client.load.messages_per_stream);
    asked.set_body_octets(client.load.body_octets);
    auto reader = stub->Download(&context, asked);
    Message message;
    uint32_t sequence = 0;
    for (; reader->Read(&message); sequence++) {
      client.check(message, sequence);
      meter.complete();
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok()) throw std::runtime_error(failed(status));
    if (sequence != asked.messages()) throw std::runtime_error("the stream ended OK too early");
  }
}

void upload(const Client& client, Bench::Stub* stub, Meter& meter) {
  while (!meter.stopped()) {
    grpc::ClientContext context;
    client.prepare(context);
    UploadSummary summary;
    auto writer = stub->Upload(&context, &summary);
    Message message;
    message.set_body(client.body);
    uint32_t sent = 0;
    while (!meter.stopped() && sent < static_cast<uint32_t>(client.load.messages_per_stream)) {
      message.set_sequence(sent);
      if (!writer->Write(message, grpc::WriteOptions().set_buffer_hint())) break;
      sent++;
      meter.complete();
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    if (!status.ok()) throw std::runtime_error(failed(status));
    if (summary.messages() != sent || summary.octets() != static_cast<uint64_t>(sent) * client.body.size()) {
      throw std::runtime_error("the server counted " + std::to_string(summary.messages()) + " of " + std::to_string(sent) + " messages");
    }
  }
}

}  // namespace

Client::Client(int port, const Tls& tls, const Load& wanted) : load(wanted), body(patterned_body(wanted.body_octets)), target_("127.0.0.1:" + std::to_string(port)) {
  credentials_ = grpc::InsecureChannelCredentials();
  if (tls.secure) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = tls.certificate;
    credentials_ = grpc::SslCredentials(options);
  }
  for (int i = 0; i < load.connections; i++) connections_.push_back(connect());
}

std::unique_ptr<Bench::Stub> Client::connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageOctets);
  arguments.SetMaxSendMessageSize(kMaxMessageOctets);
  // Channels with equal arguments share their connections unless each has its own pool.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetSslTargetNameOverride("localhost");
  if (load.interceptors) {
    return Bench::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(target_, credentials_, arguments, client_interceptors()));
  }
  return Bench::NewStub(grpc::CreateCustomChannel(target_, credentials_, arguments));
}

void Client::prepare(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  if (load.metadata_entries == 0) return;
  static std::atomic<uint64_t> serial{0};
  char id[17];
  std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(++serial));
  // Those of worker/metadata.ts: six fixed ones, two that differ in each call.
  context.AddMetadata("x-tenant", "acme-industries");
  context.AddMetadata("x-region", "eu-central-1");
  context.AddMetadata("x-client-version", "4.18.2-release");
  context.AddMetadata("x-feature-set", "alpha,beta,long-running");
  context.AddMetadata("accept-language", "en-GB");
  context.AddMetadata("authorization", "Bearer 6f1c2d9a7b3e4f508d7c6b5a49382716a5b4c3d2e1f00918");
  context.AddMetadata("traceparent", std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-") + id + "-01");
  context.AddMetadata("x-request-id", std::string("req-") + id);
}

void Client::check(const Message& message, uint32_t sequence) const {
  if (message.sequence() == sequence && message.body() == body) return;
  throw std::runtime_error("wrong response: number " + std::to_string(message.sequence()) + " with " + std::to_string(message.body().size()) + " octets");
}

std::string Client::run(const RunParams& params) {
  const Usage before = current_usage();
  const int in_flight = params.in_flight > 0 ? params.in_flight : load.in_flight;
  Meter meter(params, load.latency);
  Chains chains(in_flight);
  std::vector<std::thread> threads;
  for (int i = 0; i < in_flight; i++) {
    Bench::Stub* stub = connections_.empty() ? nullptr : connections_[i % connections_.size()].get();
    if (load.kind == "unary") {
      (new UnaryChain(*this, stub, meter, chains))->next();
    } else if (load.kind == "ping-pong") {
      new PingPong(*this, stub, meter, chains);
    } else {
      threads.emplace_back([this, stub, &meter, &chains] {
        try {
          if (load.kind == "server-stream") download(*this, stub, meter);
          else if (load.kind == "client-stream") upload(*this, stub, meter);
          else throw std::runtime_error("the C++ peer has no workload " + load.kind);
          chains.over();
        } catch (const std::exception& error) {
          meter.stop();
          chains.over(error.what());
        }
      });
    }
  }
  const auto span = [](double milliseconds) { return std::chrono::duration<double, std::milli>(milliseconds); };
  if (!chains.wait_for(span(params.ramp_ms))) {
    meter.open_window();
    (void)chains.wait_for(span(params.duration_ms));
  }
  meter.stop();
  for (std::thread& thread : threads) thread.join();
  chains.wait();
  return meter.result(current_usage().since(before));
}
