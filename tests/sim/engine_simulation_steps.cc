// What the engine's simulation does in a life, step by step.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tests/sim/engine_simulation.h"

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

uint64_t EngineSimulation::RandomBytes() {
  const uint64_t dice = random_.Below(100);
  if (style_ == Style::kLarge) return random_.Below(14'000);
  if (dice < 70) return random_.Below(200);
  return random_.Below(dice < 95 ? 6'000 : 14'000);
}

void EngineSimulation::Step() {
  uint64_t dice = random_.Below(100);
  if (style_ == Style::kPlain && dice < 61) dice = dice * 35 / 61;
  const auto any_shard = [this] { return static_cast<uint32_t>(random_.Below(options_.shards)); };
  if (dice < 25) {
    Append(any_shard(), false, RandomBytes());
  } else if (dice < 35) {
    Append(any_shard(), true, RandomBytes());
  } else if (dice < 50) {
    std::vector<std::pair<uint32_t, uint64_t>> parts;
    for (uint64_t i = random_.Between(1, 3); i > 0; --i) {
      parts.emplace_back(any_shard(), RandomBytes() / 2);
    }
    AppendAtomically(parts);
  } else if (dice < 57) {
    AdvanceEpoch();
  } else if (dice < 61) {
    Truncate(any_shard());
  } else if (dice < 63) {
    MoveCursor(any_shard());
  } else if (dice < 90) {
    Poll(any_shard());
  } else {
    PollAll(static_cast<int>(random_.Between(1, 40)));
  }
}

std::string EngineSimulation::NewPayload(uint64_t number, uint64_t bytes) const {
  std::string payload(sizeof(number), '\0');
  std::memcpy(payload.data(), &number, sizeof(number));
  SeededRandom content(number);
  while (payload.size() < bytes) payload.push_back(static_cast<char>(content.Next()));
  return payload;
}

uint64_t EngineSimulation::NumberOf(absl::Span<const std::byte> payload) {
  uint64_t number = 0;
  if (payload.size() >= sizeof(number)) std::memcpy(&number, payload.data(), sizeof(number));
  const std::string want = NewPayload(number, payload.size());
  const bool same = payload.size() >= sizeof(number) && number > 0 && number < records_.size() &&
                    std::memcmp(want.data(), payload.data(), payload.size()) == 0;
  if (!same) Problem("a record that was never appended");
  return same ? number : 0;
}

void EngineSimulation::Append(uint32_t shard, bool direct, uint64_t bytes) {
  const uint64_t number = records_.size();
  const std::string payload = NewPayload(number, bytes);
  const auto answer = [this, number](const absl::StatusOr<Lsn>& lsn) {
    Record& record = records_[number];
    --unanswered_;
    if (lsn.ok()) {
      record.fate = Fate::kAnswered;
      record.lsn = *lsn;
    } else if (!Crashed() && !Failed(record.shard)) {
      record.fate = Fate::kRefused;
    }
  };
  ++unanswered_;
  records_.push_back({.shard = shard, .direct = direct});
  const absl::Status accepted = direct
                                    ? shards_[shard]->Append(Bytes(payload), {}, answer).status()
                                    : engine_->Append(ShardId{shard}, Bytes(payload), {}, answer);
  if (!accepted.ok()) {
    records_.pop_back();
    --unanswered_;
    if (!Crashed() && !absl::IsResourceExhausted(accepted) && !Failed(shard)) {
      Problem(absl::StrCat("append: ", accepted.ToString()));
    }
    return;
  }
  ++totals_.records;
  disk_.Trace(absl::StrCat("SIM record ", number, " to shard ", shard, direct ? ", direct" : ""));
}

void EngineSimulation::AppendAtomically(const std::vector<std::pair<uint32_t, uint64_t>>& parts) {
  std::vector<std::string> payloads;
  std::vector<AtomicPart> atomic;
  const uint64_t first = records_.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    payloads.push_back(NewPayload(first + i, parts[i].second));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    atomic.push_back({ShardId{parts[i].first}, Bytes(payloads[i])});
  }
  auto future = engine_->AppendAtomically(atomic);
  if (!future.ok()) {
    if (!Crashed() && !absl::IsResourceExhausted(future.status()) && !Struck()) {
      Problem(absl::StrCat("atomic: ", future.status().ToString()));
    }
    return;
  }
  const uint64_t batch = ++batches_;
  ++totals_.batches;
  disk_.Trace(absl::StrCat("SIM atomic batch ", batch, ": records from ", first));
  for (const auto& [shard, bytes] : parts) records_.push_back({.shard = shard, .batch = batch});
  pending_.emplace_back(batch, *std::move(future));
}

void EngineSimulation::AdvanceEpoch() {
  const absl::StatusOr<Epoch> closed = engine_->AdvanceEpoch();
  if (!closed.ok()) {
    if (!Crashed() && !Struck())
      Problem(absl::StrCat("AdvanceEpoch: ", closed.status().ToString()));
    return;
  }
  disk_.Trace(absl::StrCat("SIM epoch ", closed->value(), " closed"));
  last_closed_ = closed->value();
  closed_at_[last_closed_] = records_.size();
  cut_short_.erase(last_closed_);  // the number had left no trace
  ++totals_.epochs;
}

// Before a plain record that was answered, or had survived.
void EngineSimulation::Truncate(uint32_t shard) {
  uint64_t before = 0;
  for (uint64_t number = records_.size() - 1; number > 0; --number) {
    const Record& record = records_[number];
    const bool known = record.fate == Fate::kAnswered || record.fate == Fate::kSurvived;
    if (record.shard != shard || record.batch != 0 || !known) continue;
    before = number;
    if (random_.Below(2) == 0) break;
  }
  if (before == 0) return;
  disk_.Trace(absl::StrCat("SIM truncate shard ", shard, " before record ", before));
  const Lsn lsn = records_[before].lsn;
  const Lsn needed = std::min(CursorFloor(shard), lsn);
  for (uint64_t number = 1; number < records_.size(); ++number) {
    Record& record = records_[number];
    if (record.shard != shard) continue;
    const bool known = record.lsn != Lsn();
    if (known ? record.lsn < needed : number < before) record.may_be_gone = true;
  }
  ++totals_.truncations;
  const absl::Status truncated = engine_->TruncateBefore(ShardId{shard}, lsn);
  if (!truncated.ok() && !Crashed() && !Struck())
    Problem(absl::StrCat("truncate: ", truncated.ToString()));
}

Lsn EngineSimulation::CursorFloor(uint32_t shard) const {
  Lsn floor(UINT64_MAX);
  for (const auto& [name, lsn] : cursors_[shard]) floor = std::min(floor, lsn);
  return floor;
}

// To a record that is there, or away.
void EngineSimulation::MoveCursor(uint32_t shard) {
  // After a failed write nothing moves until the log is reopened, and then one of two states is
  // told.
  if (cursors_[shard] != cursors_if_[shard]) return;
  const std::string name(1, static_cast<char>('a' + random_.Below(2)));
  if (cursors_[shard].count(name) > 0 && random_.Below(2) == 0) {
    cursors_if_[shard].erase(name);
    disk_.Trace(absl::StrCat("SIM remove cursor ", name, " of shard ", shard));
    return ExpectCursors(shard, engine_->RemoveCursor(ShardId{shard}, name));
  }
  std::vector<Lsn> there;
  for (const Record& record : records_) {
    const bool known = record.fate == Fate::kAnswered || record.fate == Fate::kSurvived;
    if (record.shard == shard && known && !record.may_be_gone && record.lsn != Lsn()) {
      there.push_back(record.lsn);
    }
  }
  if (there.empty()) return;
  const Lsn lsn = there[random_.Below(there.size())];
  cursors_if_[shard][name] = lsn;
  disk_.Trace(absl::StrCat("SIM cursor ", name, " of shard ", shard, " at ", lsn.value()));
  ExpectCursors(shard, engine_->SetCursor(ShardId{shard}, name, lsn));
}

void EngineSimulation::ExpectCursors(uint32_t shard, const absl::Status& changed) {
  if (changed.ok()) {
    cursors_[shard] = cursors_if_[shard];
    ++totals_.cursors;
  } else if (!Crashed() && !Struck()) {
    Problem(absl::StrCat("cursor: ", changed.ToString()));
  }
}

// Time enough for everything that is under way.
void EngineSimulation::Drain() {
  disk_.Trace("SIM drain");
  constexpr int kRoundsMax = 2000;
  for (int round = 0; round < kRoundsMax; ++round) {
    const bool epochs = AnyFailed() || engine_->durable_epoch().value() >= last_closed_;
    if (unanswered_ == 0 && pending_.empty() && epochs) {
      ++totals_.drained;
      return;
    }
    for (Shard* const shard : shards_) shard->Wait(disk_.clock().Now() + 1'000'000).IgnoreError();
    if (Crashed()) return;
    CollectAnswers();
  }
  Problem(absl::StrCat("not all that was accepted comes to an end: ", unanswered_, " records, ",
                       pending_.size(), " atomic batches; epoch ", last_closed_,
                       " closed, durable ", engine_->durable_epoch().value()));
}

void EngineSimulation::Poll(uint32_t shard) {
  const absl::Status polled = shards_[shard]->Poll();
  if (!polled.ok() && !Crashed() && !Struck()) {
    Problem(absl::StrCat("Poll: ", polled.ToString()));
  }
  CollectAnswers();
}

void EngineSimulation::CollectAnswers() {
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (!it->second.ready()) {
      ++it;
      continue;
    }
    const absl::StatusOr<Lsn> answer = it->second.Wait();
    if (answer.ok()) {
      answered_batches_.insert(it->first);
    } else if (!Crashed() && !AnyFailed()) {
      refused_batches_.insert(it->first);
    }
    it = pending_.erase(it);
  }
}

void EngineSimulation::PollAll(int rounds) {
  for (int round = 0; round < rounds && Good() && !Crashed(); ++round) {
    for (uint32_t shard = 0; shard < shards_.size(); ++shard) Poll(shard);
  }
}

}  // namespace corewal
