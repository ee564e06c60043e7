// tools/output.h: a file descriptor behind a large buffer, for results at the speed of the reader.
//
//   Output out(STDOUT_FILENO, "standard output");
//   out.Append("lsn=").Number(4160).Append("\n");
//   absl::Status status = out.Send();
//
// After the first error, or once whoever reads a pipe has gone, everything more is dropped and
// finished() says so: the caller asks now and then and stops early.
// Requires: SIGPIPE is ignored. Thread: one.
#ifndef COREWAL_TOOLS_OUTPUT_H_
#define COREWAL_TOOLS_OUTPUT_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/check.h"

namespace corewal {

class Output {
 public:
  static constexpr size_t kBufferBytes = 1u << 20;
  static constexpr size_t kReserveMax = 64u << 10;

  // `name` is for messages. `fd` stays the caller's.
  Output(int fd, std::string name);
  // What was not sent is lost: Send() is where errors are told.
  ~Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Output& Append(absl::string_view text) {
    if (text.size() > room()) return AppendLarge(text);
    std::memcpy(next_, text.data(), text.size());
    next_ += text.size();
    return *this;
  }
  Output& Number(uint64_t number) {
    char* const begin = Reserve(20);
    Advance(std::to_chars(begin, begin + 20, number).ptr);
    return *this;
  }
  // Lower-case, eight digits.
  Output& Hex32(uint32_t number);

  // Room for `bytes` (at most kReserveMax); Advance says where what was written there ends.
  char* Reserve(size_t bytes) {
    DCHECK(bytes <= kReserveMax);
    if (bytes > room()) WriteBuffer();
    return next_;
  }
  void Advance(char* end) {
    DCHECK(end >= next_ && end <= limit_);
    next_ = end;
  }

  // Writes out what is in the buffer. OK also if the pipe's reader has gone.
  absl::Status Send();

  // Nothing more will arrive: an error (Send() returns it), or the pipe's reader has gone.
  bool finished() const { return reader_gone_ || !status_.ok(); }

 private:
  size_t room() const { return static_cast<size_t>(limit_ - next_); }
  Output& AppendLarge(absl::string_view text);
  void WriteBuffer();
  void Write(const char* data, size_t bytes);

  const int fd_;
  const std::string name_;
  const std::unique_ptr<char[]> buffer_;
  char* next_;
  char* const limit_;
  bool reader_gone_ = false;
  absl::Status status_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_OUTPUT_H_
