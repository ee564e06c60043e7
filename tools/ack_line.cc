#include "tools/ack_line.h"

#include <charconv>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace corewal {
namespace {

constexpr uint64_t kShardMax = 65535;

// Appends text and numbers to a fixed buffer that holds any line.
class LineWriter {
 public:
  explicit LineWriter(AckLineBuffer* buffer) : buffer_(buffer), next_(buffer->data()) {}

  LineWriter& Text(absl::string_view text) {
    CHECK_LE(text.size(), static_cast<size_t>(buffer_->data() + buffer_->size() - next_));
    std::memcpy(next_, text.data(), text.size());
    next_ += text.size();
    return *this;
  }
  LineWriter& Number(uint64_t number) {
    const auto result = std::to_chars(next_, buffer_->data() + buffer_->size(), number);
    CHECK(result.ec == std::errc());
    next_ = result.ptr;
    return *this;
  }
  absl::string_view line() const {
    return absl::string_view(buffer_->data(), static_cast<size_t>(next_ - buffer_->data()));
  }

 private:
  AckLineBuffer* buffer_;
  char* next_;
};

// Takes `prefix` and a plain decimal number (no sign, no leading zero) off the front of `rest`.
bool TakeNumber(absl::string_view prefix, absl::string_view* rest, uint64_t* number) {
  if (rest->substr(0, prefix.size()) != prefix) return false;
  const char* const begin = rest->data() + prefix.size();
  const char* const end = rest->data() + rest->size();
  const auto result = std::from_chars(begin, end, *number);
  if (result.ec != std::errc() || (*begin == '0' && result.ptr - begin > 1)) return false;
  rest->remove_prefix(static_cast<size_t>(result.ptr - rest->data()));
  return true;
}

}  // namespace

absl::string_view FormatAckLine(const AckLine& ack, AckLineBuffer* buffer) {
  return LineWriter(buffer)
      .Text("ACK shard=")
      .Number(ToIndex(ack.shard))
      .Text(" seq=")
      .Number(ack.seq)
      .Text(" lsn=")
      .Number(ack.lsn.value())
      .Text("\n")
      .line();
}

absl::StatusOr<AckLine> ParseAckLine(absl::string_view line) {
  absl::string_view rest = line;
  uint64_t shard = 0;
  uint64_t seq = 0;
  uint64_t lsn = 0;
  if (!TakeNumber("ACK shard=", &rest, &shard) || !TakeNumber(" seq=", &rest, &seq) ||
      !TakeNumber(" lsn=", &rest, &lsn) || !rest.empty() || shard > kShardMax || seq == 0 ||
      lsn == 0) {
    return absl::InvalidArgumentError(absl::StrCat("expected \"ACK shard=S seq=N lsn=L\", found \"",
                                                   absl::CHexEscape(line.substr(0, 100)),
                                                   line.size() > 100 ? "..." : "", "\""));
  }
  return AckLine{static_cast<ShardId>(shard), seq, Lsn(lsn)};
}

}  // namespace corewal
