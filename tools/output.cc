#include "tools/output.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/errno_status.h"

namespace corewal {

Output::Output(int fd, std::string name)
    : fd_(fd),
      name_(std::move(name)),
      buffer_(new char[kBufferBytes]),
      next_(buffer_.get()),
      limit_(buffer_.get() + kBufferBytes) {}

Output& Output::Hex32(uint32_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  char* const begin = Reserve(8);
  for (int i = 0; i < 8; ++i) begin[i] = kDigits[number >> (28 - 4 * i) & 15];
  Advance(begin + 8);
  return *this;
}

absl::Status Output::Send() {
  WriteBuffer();
  return status_;
}

Output& Output::AppendLarge(absl::string_view text) {
  WriteBuffer();
  if (text.size() >= kBufferBytes / 2) {
    Write(text.data(), text.size());  // no second copy
    return *this;
  }
  return Append(text);
}

void Output::WriteBuffer() {
  Write(buffer_.get(), static_cast<size_t>(next_ - buffer_.get()));
  next_ = buffer_.get();
}

void Output::Write(const char* data, size_t bytes) {
  while (bytes > 0 && !finished()) {
    const ssize_t written = write(fd_, data, bytes);
    if (written >= 0) {
      data += written;
      bytes -= static_cast<size_t>(written);
    } else if (errno == EPIPE) {
      reader_gone_ = true;
    } else if (errno != EINTR) {
      status_ = ErrnoStatus(errno, "write", name_, {.length = bytes});
    }
  }
}

}  // namespace corewal
