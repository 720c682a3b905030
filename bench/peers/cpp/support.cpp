// Usage and meter of the C++ peer.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "peer.h"

Usage Usage::since(const Usage& before) const {
  Usage d = *this;
  d.user_micros -= before.user_micros;
  d.system_micros -= before.system_micros;
  d.involuntary_switches -= before.involuntary_switches;
  d.read_calls -= before.read_calls;
  d.write_calls -= before.write_calls;
  d.read_octets -= before.read_octets;
  d.written_octets -= before.written_octets;
  return d;
}

std::string Usage::json() const {
  std::ostringstream out;
  out << "{\"userMicros\":" << user_micros << ",\"systemMicros\":" << system_micros << ",\"involuntarySwitches\":" << involuntary_switches
      << ",\"readCalls\":" << read_calls << ",\"writeCalls\":" << write_calls << ",\"readOctets\":" << read_octets
      << ",\"writtenOctets\":" << written_octets << ",\"loopTurns\":0,\"rssOctets\":" << rss_octets << ",\"heapUsedOctets\":0}";
  return out.str();
}

Usage current_usage() {
  Usage usage;
  rusage measured{};
  getrusage(RUSAGE_SELF, &measured);
  usage.user_micros = measured.ru_utime.tv_sec * 1000000LL + measured.ru_utime.tv_usec;
  usage.system_micros = measured.ru_stime.tv_sec * 1000000LL + measured.ru_stime.tv_usec;
  usage.involuntary_switches = measured.ru_nivcsw;
  std::ifstream io("/proc/self/io");
  std::string name;
  int64_t value;
  while (io >> name >> value) {
    if (name == "syscr:") usage.read_calls = value;
    if (name == "syscw:") usage.write_calls = value;
    if (name == "rchar:") usage.read_octets = value;
    if (name == "wchar:") usage.written_octets = value;
  }
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  usage.rss_octets = resident * sysconf(_SC_PAGESIZE);
  return usage;
}

std::string patterned_body(int octets) {
  std::string body(octets, '\0');
  for (int i = 0; i < octets; i++) body[i] = static_cast<char>(i * 31 + (i >> 8) * 7);
  return body;
}

void Meter::end(Clock::time_point started) {
  if (latency_) {
    const double micros = std::chrono::duration<double, std::micro>(Clock::now() - started).count();
    std::lock_guard<std::mutex> lock(mutex_);
    latencies_.push_back(micros);
  }
  complete();
}

void Meter::complete() {
  const int64_t now = completions_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (limit_ > 0 && now >= limit_) stop();
}

void Meter::open_window() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped()) return;
  window_start_ = Clock::now();
  at_start_ = completions_;
  latencies_.clear();
}

void Meter::stop() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_.exchange(true)) return;
  window_end_ = Clock::now();
  at_end_ = completions_;
}

std::string Meter::result(const Usage& usage) {
  stop();
  const auto milliseconds = [](Clock::duration span) { return std::chrono::duration<double, std::milli>(span).count(); };
  std::ostringstream out;
  out << "{\"completions\":" << at_end_ - at_start_ << ",\"windowMs\":" << milliseconds(window_end_ - window_start_)
      << ",\"totalCompletions\":" << completions_ << ",\"totalMs\":" << milliseconds(Clock::now() - started_) << ",\"latency\":";
  if (latency_) {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [this](double share) { return latencies_.empty() ? 0.0 : latencies_[static_cast<size_t>(share * (latencies_.size() - 1))]; };
    double sum = 0;
    for (const double each : latencies_) sum += each;
    out << "{\"count\":" << latencies_.size() << ",\"mean\":" << (latencies_.empty() ? 0 : sum / latencies_.size()) << ",\"p50\":" << at(0.5)
        << ",\"p90\":" << at(0.9) << ",\"p99\":" << at(0.99) << ",\"p999\":" << at(0.999) << ",\"max\":" << at(1) << "}";
  } else {
    out << "null";
  }
  out << ",\"usage\":" << usage.json() << "}";
  return out.str();
}
