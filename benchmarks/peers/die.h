// benchmarks/peers/die.h: ends the program with one line that says what went wrong.
//
// A benchmark whose peer failed has no figure to report, so nothing is handed upwards. Threads and
// forked children may call it: nothing is unwound.
#ifndef COREWAL_BENCHMARKS_PEERS_DIE_H_
#define COREWAL_BENCHMARKS_PEERS_DIE_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal::peers {

// Prints "peerbench: <message>" to standard error; exit code 1.
[[noreturn]] void DieSaying(absl::string_view message);

template <typename... Pieces>
[[noreturn]] void Die(const Pieces&... pieces) {
  DieSaying(absl::StrCat(pieces...));
}

// Of the last system call on `path`; its cause is errno.
[[noreturn]] void DieOfErrno(absl::string_view call, absl::string_view path);

inline void OrDie(const absl::Status& status) {
  if (!status.ok()) DieSaying(status.message());
}
template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  OrDie(value.status());
  return *std::move(value);
}

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_DIE_H_
