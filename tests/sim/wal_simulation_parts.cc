// A record that a simulated program gives in parts, while it goes on with everything else: the log
// may crash, fail, fill up, idle, truncate or be closed between any two of them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/wal_simulation.h"

namespace corewal {

void WalSimulation::BeginParts() {
  const uint64_t bytes = random_.Below(random_.Below(3) == 0 ? 20'000 : 200'000);
  const AppendOptions options = NewOptions();
  const absl::Status begun = writer_->BeginRecord(bytes, options);
  if (absl::IsFailedPrecondition(begun) && parts_.has_value()) return;
  if (!begun.ok()) {
    if (!Excused(begun)) Problem(absl::StrCat("begin: ", begun.ToString()));
    return;
  }
  if (parts_.has_value()) return Problem("a record was begun inside another");
  parts_ = Parts{MakePayload(bytes), 0, options};
  disk_.Trace(absl::StrCat("SIM begin a record of ", bytes, " bytes"));
  const uint64_t rarely = style_ == Style::kLarge ? 6 : 16;
  if (random_.Below(rarely) == 0) disk_.CrashAfter(random_.Below(60), SimCrash::kPowerLoss);
}

void WalSimulation::GoOnWithParts() {
  if (random_.Below(30) == 0) return GiveUpParts();
  const uint64_t left = parts_->payload.size() - parts_->given_bytes;
  if (left == 0) return EndParts();
  const uint64_t bytes = std::min(left, random_.Below(random_.Below(8) == 0 ? left + 1 : 30'000));
  const auto part = absl::MakeConstSpan(
      reinterpret_cast<const std::byte*>(parts_->payload.data()) + parts_->given_bytes, bytes);
  const absl::StatusOr<uint64_t> taken = writer_->AppendPart(part);
  if (taken.ok()) {
    if (*taken > bytes || (*taken == 0) != (bytes == 0)) Problem("not as many as were given");
    parts_->given_bytes += *taken;
    disk_.Trace(absl::StrCat("SIM gave ", *taken, " of ", bytes, " bytes"));
    return;
  }
  if (!Excused(taken.status())) Problem(absl::StrCat("part: ", taken.status().ToString()));
  // A log that is full may not get room before the record is given up.
  if (absl::IsResourceExhausted(taken.status()) && random_.Below(8) == 0) return GiveUpParts();
  writer_->Wait(disk_.clock().Now() + 2'000'000).IgnoreError();
}

void WalSimulation::EndParts() {
  const Durability durability = parts_->options.durability;
  const absl::StatusOr<Lsn> lsn =
      random_.Below(2) == 0 ? writer_->EndRecord(Callback(durability)) : writer_->EndRecord();
  if (absl::IsResourceExhausted(lsn.status())) return;  // too many callbacks wait
  Parts parts = *std::exchange(parts_, std::nullopt);
  if (lsn.ok()) ++totals_.streamed;
  TookLsn(lsn, std::move(parts.payload), static_cast<uint8_t>(parts.options.type));
}

void WalSimulation::GiveUpParts() {
  disk_.Trace("SIM give the record up");
  writer_->CancelRecord();
  parts_.reset();
  ++totals_.given_up;
}

}  // namespace corewal
