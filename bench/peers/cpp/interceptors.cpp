// The interceptors of the realistic rows.
#include <algorithm>
#include <atomic>

#include "peer.h"

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

namespace {

constexpr int kCodes = 17;
std::atomic<int64_t> statuses[kCodes];

void count_status(int code) {
  if (code >= 0 && code < kCodes) statuses[code].fetch_add(1, std::memory_order_relaxed);
}

bool is_token(const grpc::string_ref& value) {
  static const grpc::string_ref scheme("Bearer ");
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return value.size() == scheme.size() + 48 && value.starts_with(scheme) && std::all_of(value.begin() + scheme.size(), value.end(), is_digit);
}

class ServerInterceptor : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      const auto* metadata = methods->GetRecvInitialMetadata();
      const auto found = metadata->find("authorization");
      authorized_ = found != metadata->end() && is_token(found->second);
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      // Interceptors of this library cannot keep a call from its handler; its status is what they can change.
      if (!authorized_) methods->ModifySendStatus(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "a token is missing"));
      count_status(methods->GetSendStatus().error_code());
    }
    methods->Proceed();
  }

 private:
  bool authorized_ = false;
};

class ClientInterceptor : public Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_STATUS)) count_status(methods->GetRecvStatus()->error_code());
    methods->Proceed();
  }
};

class ServerFactory : public grpc::experimental::ServerInterceptorFactoryInterface {
  Interceptor* CreateServerInterceptor(ServerRpcInfo*) override { return new ServerInterceptor; }
};

class ClientFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
  Interceptor* CreateClientInterceptor(ClientRpcInfo*) override { return new ClientInterceptor; }
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> client_interceptors() {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> all;
  all.push_back(std::make_unique<ClientFactory>());
  return all;
}

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> server_interceptors() {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> all;
  all.push_back(std::make_unique<ServerFactory>());
  return all;
}
