// io_backend/sim_trace.h: the last actions of a simulation, to be printed when it fails, and a
// digest of all, to tell whether two simulations did the same.
#ifndef COREWAL_IO_BACKEND_SIM_TRACE_H_
#define COREWAL_IO_BACKEND_SIM_TRACE_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace corewal {

class SimTrace {
 public:
  static constexpr uint64_t kKept = 50;

  void Add(std::string action) {
    for (const char c : action) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * kFnvPrime;
    ring_[actions_++ % kKept] = std::move(action);
  }
  uint64_t actions() const { return actions_; }
  uint64_t digest() const { return digest_; }  // FNV-1a
  // One action a line, oldest first, each with its number.
  std::string ToString() const {
    std::string text;
    for (uint64_t i = actions_ > kKept ? actions_ - kKept : 0; i < actions_; ++i) {
      absl::StrAppend(&text, i + 1, "  ", ring_[i % kKept], "\n");
    }
    return text;
  }

 private:
  static constexpr uint64_t kFnvPrime = 0x100000001b3;

  std::array<std::string, kKept> ring_;
  uint64_t actions_ = 0;
  uint64_t digest_ = 0xcbf29ce484222325;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_TRACE_H_
