// What a simulated program does with an open log.
#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/wal_simulation.h"
#include "wal/format.h"

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

void WalSimulation::Step() {
  const uint64_t dice = random_.Below(100);
  if (parts_.has_value() && !writer_->record_open() && !Excused(writer_->failure())) {
    Problem("an open record is not open any more");
  }
  if (parts_.has_value() && random_.Below(2) == 0) return GoOnWithParts();
  switch (style_) {
    case Style::kMixed:
      Act(dice);
      break;
    case Style::kSmall:
      dice < 60 ? AppendBurst() : Act(random_.Between(50, 99));
      break;
    case Style::kLarge:
      dice < 25 ? AppendSpanning() : dice < 40 ? BeginParts() : Act(random_.Between(30, 99));
      break;
    case Style::kTruncating:
      dice < 25 ? Truncate() : dice < 33 ? MoveCursor() : Act(random_.Below(93));
      break;
    case Style::kIdle:
      ActIdly(dice);
      break;
  }
  if (follower_ != nullptr && random_.Below(10) == 0) FollowSome();
  if (stuck_ && random_.Below(4) == 0) disk_.ReleaseStuck();
  if (seed_ % 5 == 0 && random_.Below(50) == 0) {  // somebody else fills or frees the disk
    disk_.set_capacity_bytes(random_.Below(2) == 0 ? 512u << 10 : 16u << 20);
  }
  if (const absl::Status& failure = writer_->failure(); !failure.ok() && !Excused(failure)) {
    Problem(absl::StrCat("the writer failed: ", failure.ToString()));
  }
}

void WalSimulation::Act(uint64_t dice) {
  const MonotonicNs now = disk_.clock().Now();
  if (dice < 36) {
    Append();
  } else if (dice < 42) {
    AppendSeveral();
  } else if (dice < 48) {
    AppendInPlace();
  } else if (dice < 49) {
    AppendSpanning();
  } else if (dice < 50) {
    BeginParts();
  } else if (dice < 75) {
    writer_->Poll().IgnoreError();
  } else if (dice < 90) {
    writer_->Wait(now + static_cast<MonotonicNs>(random_.Below(3'000'000))).IgnoreError();
  } else if (dice < 93) {
    disk_.Trace("SIM wait durable");
    if (!stuck_) writer_->WaitDurable().IgnoreError();
  } else if (dice < 96) {
    Truncate();
  } else if (dice < 98) {
    MoveCursor();
  } else {
    Idle(now + 60'000'000);
  }
}

// Idle until the log has sealed, then a few batches one after the other that nobody syncs: the
// first overwrites the seal.
void WalSimulation::ActIdly(uint64_t dice) {
  if (dice >= 80) return Act(random_.Below(90));
  const MonotonicNs now = disk_.clock().Now();
  Idle(now + 3'000'000 + MonotonicNs{options_.seal_after_us} * 1000);
  const uint64_t batches = random_.Between(1, 3);
  for (uint64_t i = 0; i < batches && !Crashed(); ++i) {
    std::string payload = MakePayload(random_.Below(600));
    const absl::StatusOr<Lsn> lsn =
        writer_->Append(Bytes(payload), {.durability = Durability::kWritten});
    TookLsn(lsn, std::move(payload));
    const Lsn appended = writer_->appended();
    for (int turns = 0; turns < 50 && writer_->written() < appended; ++turns) {
      if (!writer_->Wait(disk_.clock().Now() + 100'000).ok()) return;
    }
  }
  // Here the seal may come back without the batch that overwrote it, and with the one behind that:
  // only the chain (B7) tells.
  if (batches > 1 && random_.Below(8) == 0)
    disk_.CrashAfter(random_.Below(3), SimCrash::kPowerLoss);
}

void WalSimulation::Idle(MonotonicNs until) {
  disk_.Trace("SIM idle");
  for (uint64_t turns = 0; disk_.clock().Now() < until && writer_->failure().ok(); ++turns) {
    writer_->Wait(until).IgnoreError();
    if (turns > 100'000) return Problem("the writer spins: Wait returns, and time stands still");
  }
}

std::string WalSimulation::MakePayload(uint64_t bytes) {
  std::string payload = absl::StrCat("record ", ++records_made_, ":");
  SeededRandom content(records_made_);
  while (payload.size() < bytes) {
    const uint64_t word = content.Next();
    payload.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  payload.resize(bytes);
  return payload;
}

std::string WalSimulation::NewPayload() {
  const uint64_t dice = random_.Below(100);
  uint64_t bytes = random_.Below(200);
  if (dice >= 80) bytes = random_.Below(6'000);
  if (dice >= 95) bytes = random_.Below(60'000);
  // A record that spans batches waits for room without a deadline.
  return MakePayload(stuck_ ? std::min<uint64_t>(bytes, 5'000) : bytes);
}

AppendOptions WalSimulation::NewOptions() {
  constexpr Durability kDurabilities[] = {Durability::kDurable, Durability::kDurable,
                                          Durability::kWritten, Durability::kAppended};
  AppendOptions options;
  options.durability = kDurabilities[random_.Below(std::size(kDurabilities))];
  options.type = static_cast<RecordType>(random_.Below(3) == 0 ? random_.Below(128) : 0);
  return options;
}

AppendCallback WalSimulation::Callback(Durability durability) {
  return [this, durability](const absl::StatusOr<Lsn>& lsn) {
    if (!lsn.ok()) {
      if (!Excused(lsn.status())) Problem(absl::StrCat("callback: ", lsn.status().ToString()));
      return;
    }
    if (*lsn <= last_called_back_) Problem("callbacks out of LSN order");
    last_called_back_ = *lsn;
    if (durability == Durability::kDurable) oracle_.Durable(*lsn + 1);
    if (durability == Durability::kWritten) oracle_.Written(*lsn + 1);
    if (writer_ == nullptr || Crashed() || random_.Below(16) != 0) return;
    std::string payload = NewPayload().substr(0, 300);  // a callback may append
    const absl::StatusOr<Lsn> next = writer_->Append(Bytes(payload));
    if (next.ok() || !absl::IsFailedPrecondition(next.status())) TookLsn(next, std::move(payload));
  };
}

void WalSimulation::TookLsn(const absl::StatusOr<Lsn>& lsn, std::string payload, uint8_t type) {
  if (!lsn.ok()) {
    if (absl::IsFailedPrecondition(lsn.status()) && parts_.has_value()) return;
    if (!Excused(lsn.status())) Problem(absl::StrCat("append: ", lsn.status().ToString()));
    return;
  }
  if (parts_.has_value()) return Problem("something was appended between the parts of a record");
  disk_.Trace(absl::StrCat("SIM append ", payload.size(), " bytes at lsn ", lsn->value()));
  ++totals_.appended;
  const std::string wrong = oracle_.Appended({*lsn, std::move(payload), type});
  if (!wrong.empty()) Problem(wrong);
}

void WalSimulation::Append() {
  std::string payload = NewPayload();
  const AppendOptions options = NewOptions();
  const absl::StatusOr<Lsn> lsn =
      random_.Below(2) == 0 ? writer_->Append(Bytes(payload), options, Callback(options.durability))
                            : writer_->Append(Bytes(payload), options);
  TookLsn(lsn, std::move(payload), static_cast<uint8_t>(options.type));
}

void WalSimulation::AppendBurst() {
  for (uint64_t i = random_.Between(2, 40); i > 0; --i) {
    std::string payload = MakePayload(random_.Below(1500));
    const AppendOptions options = NewOptions();
    const bool with_callback = random_.Below(4) == 0;
    const absl::StatusOr<Lsn> lsn =
        with_callback ? writer_->Append(Bytes(payload), options, Callback(options.durability))
                      : writer_->Append(Bytes(payload), options);
    const bool stalled = absl::IsResourceExhausted(lsn.status());
    TookLsn(lsn, std::move(payload), static_cast<uint8_t>(options.type));
    if (stalled || !lsn.ok()) return;
  }
}

// A record that spans batches, and often segments. It needs segments ready, which take time.
void WalSimulation::AppendSpanning() {
  if (stuck_) return Append();
  std::string payload = MakePayload(random_.Between(10'000, 200'000));
  const AppendOptions options = NewOptions();
  // The inside of a record is short; else few crashes would come there.
  const uint64_t rarely = style_ == Style::kLarge ? 6 : 32;
  if (random_.Below(rarely) == 0) disk_.CrashAfter(random_.Below(60), SimCrash::kPowerLoss);
  for (int tries = 0; tries < 20 && !Crashed() && writer_->failure().ok(); ++tries) {
    const absl::StatusOr<Lsn> lsn =
        random_.Below(2) == 0
            ? writer_->Append(Bytes(payload), options, Callback(options.durability))
            : writer_->Append(Bytes(payload), options);
    if (!absl::IsResourceExhausted(lsn.status())) {
      if (lsn.ok()) ++totals_.spanning;
      return TookLsn(lsn, std::move(payload), static_cast<uint8_t>(options.type));
    }
    writer_->Wait(disk_.clock().Now() + 2'000'000).IgnoreError();
  }
}

void WalSimulation::AppendSeveral() {
  std::vector<std::string> payloads;
  for (uint64_t i = random_.Between(1, 4); i > 0; --i) {
    payloads.push_back(NewPayload().substr(0, 999));
  }
  std::vector<absl::Span<const std::byte>> spans;
  spans.reserve(payloads.size());
  for (const std::string& payload : payloads) spans.push_back(Bytes(payload));
  absl::StatusOr<Lsn> lsn = writer_->AppendBatch(spans);
  for (std::string& payload : payloads) {
    const uint64_t framed_bytes = FramedBytes(payload.size());
    TookLsn(lsn, std::move(payload));
    if (lsn.ok()) *lsn = *lsn + framed_bytes;
  }
}

void WalSimulation::AppendInPlace() {
  std::string payload = NewPayload();
  payload.resize(std::min<size_t>(payload.size(), writer_->reserve_bytes_max()));
  const uint32_t bytes = static_cast<uint32_t>(payload.size());
  auto place = writer_->Reserve(bytes);
  if (!place.ok()) return TookLsn(place.status(), "");
  if (random_.Below(8) == 0) return writer_->Cancel();
  const uint32_t used = static_cast<uint32_t>(random_.Between(bytes / 2, bytes));
  std::copy_n(reinterpret_cast<const std::byte*>(payload.data()), bytes, place->data());
  payload.resize(used);
  TookLsn(writer_->Commit(used), std::move(payload));
}

// From the oldest record, or from where the last follower was; told what is durable by the writer
// or by the log itself.
void WalSimulation::StartFollower() {
  if (stuck_) return;
  LogFollowerOptions options;
  if (random_.Below(2) == 0) options.from = followed_to_;
  options.direct = options_.direct;
  if (random_.Below(2) == 0) options.durable.lsn = [this] { return writer_->durable(); };
  follower_ = std::make_unique<SimFollower>(*files_, options_.directory, oracle_, options);
}

void WalSimulation::FollowSome() {
  Observe();
  const SimFollower::Result result = follower_->Follow(random_.Between(1, 60));
  disk_.Trace(absl::StrCat("SIM followed ", result.records, " records to lsn ",
                           follower_->position().value()));
  totals_.followed += result.records;
  followed_to_ = std::max(followed_to_, follower_->position());
  if (!result.problem.empty() && !broken_.has_value() && !Crashed()) Problem(result.problem);
  if (!result.failed.ok() && !Excused(result.failed)) {
    Problem(absl::StrCat("the follower: ", result.failed.ToString()));
  }
  if (result.over) follower_.reset();
}

void WalSimulation::Observe() {
  writer_->CheckInvariants();
  oracle_.Durable(writer_->durable());
  oracle_.HeldFrom(cursors_.Floor());
  CheckSize();
}

}  // namespace corewal
