// Serves bench.proto through the callback API: the same trivial work as in every other language.
#include <grpcpp/grpcpp.h>

#include <stdexcept>

#include "peer.h"

using namespace purewire::bench;  // NOLINT: the messages of one file
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

namespace {

class DownloadReactor : public grpc::ServerWriteReactor<Message> {
 public:
  explicit DownloadReactor(const DownloadRequest& asked) : messages_(asked.messages()) {
    message_.set_body(patterned_body(static_cast<int>(asked.body_octets())));
    next();
  }
  void OnWriteDone(bool ok) override {
    if (ok) next();
    else Finish(grpc::Status(grpc::StatusCode::UNKNOWN, "write failed"));
  }
  void OnDone() override { delete this; }

 private:
  void next() {
    if (sent_ == messages_) return Finish(grpc::Status::OK);
    message_.set_sequence(sent_++);
    // Without set_buffer_hint: the callback API of this version then waits for the buffer to fill before it asks for more.
    StartWrite(&message_);
  }
  Message message_;
  const uint32_t messages_;
  uint32_t sent_ = 0;
};

class UploadReactor : public grpc::ServerReadReactor<Message> {
 public:
  explicit UploadReactor(UploadSummary* summary) : summary_(summary) { StartRead(&message_); }
  void OnReadDone(bool ok) override {
    if (!ok) {
      summary_->set_messages(messages_);
      summary_->set_octets(octets_);
      return Finish(grpc::Status::OK);
    }
    messages_++;
    octets_ += message_.body().size();
    StartRead(&message_);
  }
  void OnDone() override { delete this; }

 private:
  Message message_;
  UploadSummary* summary_;
  uint32_t messages_ = 0;
  uint64_t octets_ = 0;
};

class PingPongReactor : public grpc::ServerBidiReactor<Message, Message> {
 public:
  PingPongReactor() { StartRead(&message_); }
  void OnReadDone(bool ok) override {
    if (ok) StartWrite(&message_);
    else Finish(grpc::Status::OK);
  }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&message_);
  }
  void OnDone() override { delete this; }

 private:
  Message message_;
};

class Service final : public Bench::CallbackService {
  ServerUnaryReactor* Nothing(CallbackServerContext* context, const Empty*, Empty*) override { return done(context); }
  ServerUnaryReactor* Echo(CallbackServerContext* context, const Message* request, Message* response) override {
    *response = *request;
    return done(context);
  }
  grpc::ServerWriteReactor<Message>* Download(CallbackServerContext*, const DownloadRequest* request) override {
    return new DownloadReactor(*request);
  }
  grpc::ServerReadReactor<Message>* Upload(CallbackServerContext*, UploadSummary* summary) override { return new UploadReactor(summary); }
  grpc::ServerBidiReactor<Message, Message>* PingPong(CallbackServerContext*) override { return new PingPongReactor; }

  static ServerUnaryReactor* done(CallbackServerContext* context) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int serve(const Tls& tls, bool interceptors) {
  static Service service;
  static std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (tls.secure) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({tls.private_key, tls.certificate});
    credentials = grpc::SslServerCredentials(options);
  }
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageOctets);
  builder.SetMaxSendMessageSize(kMaxMessageOctets);
  builder.RegisterService(&service);
  if (interceptors) builder.experimental().SetInterceptorCreators(server_interceptors());
  server = builder.BuildAndStart();
  if (server == nullptr || port == 0) throw std::runtime_error("cannot listen on 127.0.0.1");
  return port;
}
