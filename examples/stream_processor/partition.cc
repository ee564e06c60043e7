#include "examples/stream_processor/partition.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace {

// "NUMBER KEY AMOUNT", as a record has it, and as a line of the output has it behind its LSN.
struct Line {
  uint64_t number = 0;
  std::string key;
  uint64_t amount = 0;
};

bool Parse(absl::string_view text, Line* line) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ');
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &line->number)) return false;
  line->key = std::string(words[1]);
  return absl::SimpleAtoi(words[2], &line->amount);
}

bool ParseRecord(const corewal::RecordView& record, Line* line) {
  return Parse({reinterpret_cast<const char*>(record.payload.data()), record.payload.size()}, line);
}

absl::Status NotOurs(corewal::Lsn lsn) {
  return absl::DataLossError(
      absl::StrCat("the record at LSN ", lsn.value(), " is no line of ours"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Partition>> Partition::Open(corewal::Engine& engine,
                                                           corewal::ShardId shard,
                                                           const std::string& path) {
  std::unique_ptr<Partition> made(new Partition(engine, shard));
  RETURN_IF_ERROR(made->ReadOutput(path));
  RETURN_IF_ERROR(made->ReadLog());
  return made;
}

absl::Status Partition::ReadOutput(const std::string& path) {
  corewal::FileSystem& files = corewal::FileSystem::Host();
  ASSIGN_OR_RETURN(const auto cursors, engine_.cursors(shard_));
  for (const corewal::LogCursor& cursor : cursors) {
    if (cursor.name == kCursor) cursor_ = cursor.lsn;
  }
  if (cursor_ == corewal::Lsn{}) RETURN_IF_ERROR(files.WriteSmallFile(path, ""));
  std::ifstream in(path, std::ios::binary);
  for (std::string text; next_ < cursor_ && std::getline(in, text);) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(text, absl::MaxSplits(' ', 1));
    uint64_t lsn = 0;
    Line line;
    if (!absl::SimpleAtoi(parts.first, &lsn) || !Parse(parts.second, &line)) break;
    totals_[line.key] = line.amount;
    done_line_ = line.number;
    next_ = corewal::Lsn(lsn) + 1;
    output_bytes_ += text.size() + 1;
  }
  if (next_ != cursor_) {
    return absl::DataLossError(absl::StrCat(path, ": has the lines before LSN ", next_.value(),
                                            ", and must have those before ", cursor_.value()));
  }
  RETURN_IF_ERROR(files.Resize(path, output_bytes_));
  ASSIGN_OR_RETURN(output_, files.Open(path, {.access = corewal::OpenOptions::Access::kReadWrite}));
  return absl::OkStatus();
}

absl::Status Partition::ReadLog() {
  last_line_ = done_line_;
  ASSIGN_OR_RETURN(const auto replay, engine_.Replay(shard_, cursor_));
  corewal::RecordView record;
  for (Line line; replay->Next(&record); last_line_ = line.number) {
    if (!ParseRecord(record, &line)) return NotOurs(record.lsn);
  }
  return replay->status();
}

absl::Status Partition::Consume() {
  ASSIGN_OR_RETURN(const auto subscription, engine_.Subscribe(shard_, cursor_));
  corewal::RecordView record;
  for (;;) {
    // Read first: what is durable before the end was named is found by the Next behind it.
    const corewal::Lsn end(end_.load());
    ASSIGN_OR_RETURN(const bool got, subscription->Next(&record));
    if (got) RETURN_IF_ERROR(Process(record));
    if (uncommitted_ >= (got ? kRecordsPerCommit : 1)) RETURN_IF_ERROR(Commit());
    if (!got && subscription->position() >= end) return absl::OkStatus();
    if (!got) subscription->WaitForMore(absl::Milliseconds(100));
  }
}

absl::Status Partition::Process(const corewal::RecordView& record) {
  Line line;
  if (!ParseRecord(record, &line) || line.number <= done_line_) return NotOurs(record.lsn);
  const uint64_t total = totals_[line.key] += line.amount;
  absl::StrAppend(&lines_, record.lsn.value(), " ", line.number, " ", line.key, " ", total, "\n");
  next_ = record.lsn + 1;
  done_line_ = line.number;
  ++uncommitted_;
  return absl::OkStatus();
}

// Each step makes true what the next one relies on.
absl::Status Partition::Commit() {
  for (size_t at = 0; at < lines_.size();) {
    const ssize_t written = pwrite(output_.fd(), lines_.data() + at, lines_.size() - at,
                                   static_cast<off_t>(output_bytes_ + at));
    if (written < 0 && errno != EINTR) {
      return corewal::ErrnoStatus(errno, "pwrite", output_.path(), {.offset = output_bytes_ + at});
    }
    if (written > 0) at += static_cast<size_t>(written);
  }
  if (fdatasync(output_.fd()) != 0) {
    return corewal::ErrnoStatus(errno, "fdatasync", output_.path());
  }
  RETURN_IF_ERROR(engine_.SetCursor(shard_, kCursor, next_));
  RETURN_IF_ERROR(engine_.TruncateBefore(shard_, next_));
  output_bytes_ += lines_.size();
  lines_.clear();
  uncommitted_ = 0;
  std::cout << absl::StrCat("partition ", corewal::ToIndex(shard_), ": done up to line ",
                            done_line_, "\n")
            << std::flush;
  return absl::OkStatus();
}
