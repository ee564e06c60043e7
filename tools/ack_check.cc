#include "tools/ack_check.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "tools/made_record.h"
#include "tools/record_printer.h"

namespace corewal {

bool AckCheck::Take(const RecordView& record) {
  CHECK(violation_.empty()) << violation_;
  if (!IsUserRecord(record.type)) return true;
  const uint64_t seq = found_ + 1;
  if (record.type != RecordType::kUser || !VerifyMadeRecord(shard_, seq, record.payload)) {
    DescribeWrongContent(record);
    return false;
  }
  found_ = seq;
  for (; next_ack_ < acks_.size() && acks_[next_ack_].seq == seq; ++next_ack_) {
    if (acks_[next_ack_].lsn == record.lsn) continue;
    violation_ =
        absl::StrCat("record seq=", seq, " was acknowledged at lsn=", acks_[next_ack_].lsn.value(),
                     " but stands at lsn=", record.lsn.value());
    return false;
  }
  return true;
}

void AckCheck::DescribeWrongContent(const RecordView& record) {
  violation_ = absl::StrCat("record seq=", found_ + 1, " at lsn=", record.lsn.value(), ", ",
                            record.payload.size(), " bytes, is not the one that wal-bench made");
  const std::optional<MadeRecordName> name = IdentifyMadeRecord(record.payload);
  if (!name.has_value()) return;
  absl::StrAppend(&violation_, ": it is record seq=", name->seq);
  if (name->shard != shard_) absl::StrAppend(&violation_, " of shard ", ToIndex(name->shard));
  if (name->seq <= found_) absl::StrAppend(&violation_, ", which came before");
}

void AckCheck::Finish(const std::string& where_it_ends) {
  if (!violation_.empty() || next_ack_ == acks_.size()) return;
  violation_ =
      absl::StrCat("acknowledged up to seq=", acks_.back().seq, " lsn=", acks_.back().lsn.value(),
                   ", but only ", found_, " records are there: ", where_it_ends);
}

}  // namespace corewal
