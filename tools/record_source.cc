#include "tools/record_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/errno_status.h"
#include "tools/interrupt.h"

namespace corewal {

void RecordDigest::Add(absl::Span<const std::byte> record) {
  const uint64_t length = record.size();
  crc = ExtendCrc32c(
      crc, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&length), sizeof(length)));
  crc = ExtendCrc32c(crc, record);
  ++records;
}

absl::StatusOr<std::unique_ptr<InputRecordSource>> InputRecordSource::Open(
    const std::string& path, uint64_t first_seq, uint64_t record_bytes_max) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  auto source = absl::WrapUnique(new InputRecordSource(fd, standard_input ? "standard input" : path,
                                                       first_seq, record_bytes_max));
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return ErrnoStatus(errno, "fstat", path);
  if (S_ISDIR(facts.st_mode)) return ErrnoStatus(EISDIR, "read", path);
  if (S_ISREG(facts.st_mode)) source->size_bytes_ = static_cast<uint64_t>(facts.st_size);
  return source;
}

InputRecordSource::InputRecordSource(int fd, std::string path, uint64_t first_seq,
                                     uint64_t record_bytes_max)
    : RecordSource(first_seq),
      fd_(fd),
      path_(std::move(path)),
      record_bytes_max_(record_bytes_max),
      buffer_(kBufferBytes) {}

InputRecordSource::~InputRecordSource() {
  if (fd_ != STDIN_FILENO) close(fd_);
}

bool InputRecordSource::Peek(absl::Span<const std::byte>* record) {
  size_t searched = 0;  // of the current line, without a newline in it
  while (!found_) {
    const std::byte* const from = buffer_.data() + begin_ + searched;
    const size_t held = end_ - begin_;
    // memchr must not see a null pointer, and `held` may be 0.
    const void* newline = held > searched ? std::memchr(from, '\n', held - searched) : nullptr;
    if (newline != nullptr) {
      line_bytes_ =
          static_cast<size_t>(static_cast<const std::byte*>(newline) - buffer_.data()) - begin_;
      found_ = newline_ = true;
    } else if (held > record_bytes_max_) {
      line_bytes_ = held;
      break;
    } else if (searched = held; !Fill()) {
      if (!status_.ok() || end_ == begin_ || Interrupted()) return false;
      line_bytes_ = end_ - begin_;
      found_ = true;
      newline_ = false;
    }
  }
  if (line_bytes_ > record_bytes_max_) {
    Fail(absl::InvalidArgumentError(absl::StrCat(path_, ": line ", line_, " is longer than ",
                                                 record_bytes_max_,
                                                 " bytes, the most a record can hold")));
    return false;
  }
  *record = absl::MakeConstSpan(buffer_.data() + begin_, line_bytes_);
  return true;
}

void InputRecordSource::Take() {
  CHECK(found_) << "Take without Peek";
  if (fd_ == STDIN_FILENO) {
    digest_.Add(absl::MakeConstSpan(buffer_.data() + begin_, line_bytes_));
  }
  const size_t taken = line_bytes_ + (newline_ ? 1 : 0);
  begin_ += taken;
  bytes_taken_ += taken;
  found_ = false;
  ++seq_;
  ++line_;
}

bool InputRecordSource::IsLast() {
  CHECK(found_) << "IsLast without Peek";
  if (begin_ + line_bytes_ + (newline_ ? 1 : 0) < end_) return false;
  return !newline_ || !Fill();
}

bool InputRecordSource::Fill() {
  if (at_end_ || !status_.ok()) return false;
  if (begin_ > 0 && end_ == buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
  while (true) {
    const ssize_t got = read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (got > 0) {
      end_ += static_cast<size_t>(got);
      return true;
    }
    if (got == 0) {
      at_end_ = true;
      return false;
    }
    if (errno != EINTR) {
      Fail(ErrnoStatus(errno, "read", path_));
      return false;
    }
    if (Interrupted()) return false;
  }
}

void InputRecordSource::Fail(absl::Status status) {
  status_ = std::move(status);
  found_ = false;
}

}  // namespace corewal
