#include "engine/atomic_batches.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutation.h"
#include "base/status_macros.h"

namespace corewal {

absl::Status AtomicBatches::Begin(absl::Span<const AtomicPart> parts, AppendState* state,
                                  ShardId* full_shard) {
  AtomicBatch* batch = nullptr;
  RETURN_IF_ERROR(PushParts(parts, state, full_shard, &batch));
  if (parts.size() == 1) SendHome(batch);  // otherwise the shard that appends the last part does
  return absl::OkStatus();
}

absl::Status AtomicBatches::PushParts(absl::Span<const AtomicPart> parts, AppendState* state,
                                      ShardId* full_shard, AtomicBatch** begun) {
  const std::lock_guard lock(mutex_);
  if (shut_) return absl::FailedPreconditionError("the engine is closed");
  *full_shard = parts[0].shard;
  if (list_.size() >= kOutstandingMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kOutstandingMax, " atomic batches are outstanding; retry"));
  }
  for (const AtomicPart& part : parts) {
    if (members_[ToIndex(part.shard)]->HasRoom(part.payload.size() + 64)) continue;
    *full_shard = part.shard;
    return absl::ResourceExhaustedError(absl::StrCat(
        "shard ", ToIndex(part.shard), ": the mailbox is full; nothing was appended; retry"));
  }
  auto made = std::make_unique<AtomicBatch>();
  AtomicBatch* const batch = *begun = made.get();
  batch->owner = this;
  batch->id = {opening_, ++begun_};
  batch->home = parts[0].shard;
  batch->home_type = parts[0].type;
  batch->home_payload.assign(reinterpret_cast<const char*>(parts[0].payload.data()),
                             parts[0].payload.size());
  batch->state = state;
  batch->parts_open = static_cast<uint32_t>(parts.size() - 1);
  for (const AtomicPart& part : parts.subspan(1)) batch->parts.push_back({part.shard, Lsn()});
  // In the list before any shard can hear of it.
  batch->place = list_.insert(list_.end(), std::move(made));
  const uint64_t epoch = epochs_.open().value();
  if (parts.size() == 1) batch->home_epoch = epoch;
  for (uint32_t i = 0; i + 1 < parts.size(); ++i) {
    const AtomicPart& part = parts[i + 1];
    const std::string prefix =
        AtomicPartRecord{batch->id, batch->home, part.type, {}}.EncodePrefix();
    absl::Status pushed = members_[ToIndex(part.shard)]->PushPart(
        {.kind = Mailbox::Kind::kAtomic,
         .prefix =
             absl::MakeConstSpan(reinterpret_cast<const std::byte*>(prefix.data()), prefix.size()),
         .payload = part.payload,
         .options = {.type = RecordType::kAtomicPart},
         .context = batch,
         .index = i,
         .epoch = epoch});
    if (pushed.ok()) continue;
    // Those already handed over are skipped by their shards, or hidden.
    *full_shard = part.shard;
    batch->state = nullptr;
    batch->parts_open -= static_cast<uint32_t>(parts.size() - 1) - i;
    batch->cause = pushed;
    if (batch->parts_open == 0) {
      Lsn ignored;
      CHECK(Settle(batch, &ignored) == nullptr);
    }
    return pushed;
  }
  return absl::OkStatus();
}

void AtomicBatches::Shut() {
  const std::lock_guard lock(mutex_);
  shut_ = true;
}

bool AtomicBatches::idle() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(list_.begin(), list_.end(), [](const auto& batch) {
    return batch->home_settled && batch->parts_open == 0 && batch->undurable == 0;
  });
}

uint64_t AtomicBatches::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

bool AtomicBatches::Held(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(ToIndex(shard));
  return held != held_.end() && FloorsLocked()[ToIndex(shard)] == held->second;
}

absl::Status AtomicBatches::status() const {
  const std::lock_guard lock(mutex_);
  if (undecided_.ok()) return absl::OkStatus();
  std::string text = "a failure left an atomic batch undecided; until the log is reopened ";
  for (const auto& [shard, lsn] : held_) {
    absl::StrAppend(&text, "shard ", shard, " is truncated no further than lsn ", lsn.value(),
                    ", ");
  }
  absl::StrAppend(&text, "for: ", undecided_.message());
  return absl::Status(undecided_.code(), text);
}

bool AtomicBatches::Aborted(const AtomicBatch& batch) const {
  const std::lock_guard lock(mutex_);
  return !batch.cause.ok();
}

void AtomicBatches::PartAppended(AtomicBatch* batch, uint32_t index, Lsn lsn) {
  bool home_next = false;
  {
    const std::lock_guard lock(mutex_);
    batch->parts[index].lsn = lsn;
    ++batch->undurable;
    --batch->parts_open;
    home_next = batch->parts_open == 0 && batch->cause.ok();
    if (batch->parts_open == 0 && !home_next) batch->home_settled = true;
    // Not below the epoch that any part has landed in. Not 0: the home is on its way.
    if (home_next) batch->home_epoch = epochs_.open().value();
  }
  if (home_next) SendHome(batch);
}

void AtomicBatches::SendHome(AtomicBatch* batch) {
  if (!members_[ToIndex(batch->home)]->PushHome(batch)) {
    HomeRefused(batch, absl::FailedPreconditionError("the home's shard is closed"));
  }
}

void AtomicBatches::PartRefused(AtomicBatch* batch, const absl::Status& why) {
  AppendState* tell = nullptr;
  {
    const std::lock_guard lock(mutex_);
    --batch->parts_open;
    tell = Abort(batch, why);
    Lsn ignored;
    CHECK(Settle(batch, &ignored) == nullptr);
  }
  if (tell != nullptr) tell->Complete(why);
}

void AtomicBatches::HomeAppended(AtomicBatch* batch, Lsn lsn) {
  const std::lock_guard lock(mutex_);
  batch->home_lsn = lsn;
  batch->home_settled = true;
  ++batch->undurable;
}

void AtomicBatches::HomeRefused(AtomicBatch* batch, const absl::Status& why) {
  AppendState* tell = nullptr;
  {
    const std::lock_guard lock(mutex_);
    batch->home_settled = true;
    tell = Abort(batch, why);
    Lsn ignored;
    CHECK(Settle(batch, &ignored) == nullptr);
  }
  if (tell != nullptr) tell->Complete(why);
}

void AtomicBatches::RecordDurable(AtomicBatch* batch, const absl::Status& status) {
  AppendState* tell = nullptr;
  absl::StatusOr<Lsn> answer = Lsn();
  {
    const std::lock_guard lock(mutex_);
    CHECK_GT(batch->undurable, 0u);
    --batch->undurable;
    if (!status.ok()) {
      batch->undecided = true;
      tell = Abort(batch, status);
      answer = status;
    }
    Lsn home_lsn;
    AppendState* const succeeded = Settle(batch, &home_lsn);  // `batch` may be gone now
    if (succeeded != nullptr) {
      CHECK(tell == nullptr);
      tell = succeeded;
      answer = home_lsn;
    }
  }
  if (tell != nullptr) tell->Complete(std::move(answer));
}

AppendState* AtomicBatches::Abort(AtomicBatch* batch, const absl::Status& why) {
  if (batch->cause.ok()) batch->cause = why;
  return std::exchange(batch->state, nullptr);
}

AppendState* AtomicBatches::Settle(AtomicBatch* batch, Lsn* home_lsn) {
  if (batch->parts_open == 0 && !batch->cause.ok() && batch->home_lsn == Lsn()) {
    // A home that is on its way says itself that it was refused.
    const bool on_its_way = batch->home_epoch != 0;
    if (!on_its_way) batch->home_settled = true;
  }
  const bool answered_early =
      Mutated(Mutation::kAtomicAckedByHome) && batch->home_settled && batch->cause.ok();
  if ((batch->parts_open > 0 || batch->undurable > 0 || !batch->home_settled) && !answered_early) {
    return nullptr;
  }
  *home_lsn = batch->home_lsn;
  AppendState* const succeeded = batch->cause.ok() ? std::exchange(batch->state, nullptr) : nullptr;
  if (batch->undurable > 0) return succeeded;
  while (!list_.empty()) {
    const AtomicBatch& front = *list_.front();
    if (front.parts_open > 0 || front.undurable > 0 || !front.home_settled) break;
    Retire(list_.begin());
  }
  return succeeded;
}

void AtomicBatches::Hold(ShardId shard, Lsn lsn) {
  if (lsn == Lsn()) return;  // never appended
  const auto [held, first] = held_.try_emplace(ToIndex(shard), lsn);
  if (!first) held->second = std::min(held->second, lsn);
}

// The oldest. Its parts stand below every record of those still in the list, so they go below the
// floors, unless these are held.
void AtomicBatches::Retire(List::iterator at) {
  const AtomicBatch& batch = **at;
  if (batch.undecided) {
    if (undecided_.ok()) undecided_ = batch.cause;
    Hold(batch.home, batch.home_lsn);
    for (const AtomicHomeRecord::Part& part : batch.parts) Hold(part.shard, part.lsn);
  } else if (!batch.cause.ok()) {
    for (const AtomicHomeRecord::Part& part : batch.parts) {
      if (part.lsn != Lsn()) hidden_.insert({ToIndex(part.shard), part.lsn});
    }
  } else if (std::any_of(batch.parts.begin(), batch.parts.end(), [this](const auto& part) {
               const auto held = held_.find(ToIndex(part.shard));
               return held != held_.end() && held->second <= part.lsn;
             })) {
    // Recovery will find that part above the floor, and look for the home.
    Hold(batch.home, batch.home_lsn);
  }
  list_.erase(at);
}

std::vector<Lsn> AtomicBatches::FloorsLocked() const {
  std::vector<Lsn> floors;
  // First: a record that has no LSN in the list yet will get one beyond what is durable now.
  for (const Member* member : members_) floors.push_back(member->durable_lsn());
  const auto keep = [&floors](ShardId shard, Lsn lsn) {
    Lsn& floor = floors[ToIndex(shard)];
    if (lsn != Lsn()) floor = std::min(floor, lsn);
  };
  for (const auto& batch : list_) {
    if (Mutated(Mutation::kFloorPassesUndecided)) break;
    keep(batch->home, batch->home_lsn);
    for (const AtomicHomeRecord::Part& part : batch->parts) keep(part.shard, part.lsn);
  }
  for (const auto& [shard, lsn] : held_) floors[shard] = std::min(floors[shard], lsn);
  return floors;
}

void AtomicBatches::Floors(std::vector<Lsn>* floors, std::set<RecordPlace>* hidden) const {
  const std::lock_guard lock(mutex_);
  *floors = FloorsLocked();
  hidden->clear();
  for (const RecordPlace& place : hidden_) {
    if (place.second < (*floors)[place.first]) hidden->insert(place);
  }
}

Lsn AtomicBatches::Floor(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  return FloorsLocked()[ToIndex(shard)];
}

bool AtomicBatches::Hidden(const RecordPlace& place) const {
  const std::lock_guard lock(mutex_);
  return hidden_.count(place) > 0;
}

void AtomicBatch::Refuse(const absl::Status& why) { owner->HomeRefused(this, why); }

}  // namespace corewal
