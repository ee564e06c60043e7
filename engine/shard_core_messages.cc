// The part of ShardCore that takes in what others ask for: requests, messages, epochs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "engine/shard_core.h"
#include "wal/control_record.h"

namespace corewal {
namespace {

// What one turn takes in at most, so that completions, syncs and requests get theirs.
constexpr uint64_t kTurnBytesMax = 1u << 20;
constexpr uint32_t kTurnMessagesMax = 4096;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

absl::Status ShardCore::Push(const Mailbox::Message& message) {
  Refused ignored;
  return Push(message, &ignored);
}

absl::Status ShardCore::Push(const Mailbox::Message& message, Refused* refused) {
  *refused = Refused::kNo;
  if (ProcessGeneration() != process_) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  const auto too_large = [](absl::Span<const std::byte> record) {
    return record.size() > kRecordBytesMax;
  };
  if (too_large(message.payload) ||
      std::any_of(message.records.begin(), message.records.end(), too_large)) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", message.payload.size(),
                                                   " bytes; at most ", kRecordBytesMax,
                                                   " are allowed"));
  }
  const bool part = message.kind == Mailbox::Kind::kAtomic;
  if (!part && !IsUserType(message.options.type)) {
    return absl::InvalidArgumentError(absl::StrCat("record type ",
                                                   static_cast<uint32_t>(message.options.type),
                                                   " is corewal's own; use 0 to 127"));
  }
  // A failed shard answers whoever waits for an answer; others learn of it here.
  if (message.state == nullptr && failed_.load(std::memory_order_acquire)) return info().failure;
  const uint64_t bytes = Mailbox::StoredBytes(message);
  const bool minded = large_gate_.Minds(bytes);
  if (minded && mailbox_.shut()) return absl::FailedPreconditionError("the engine is closed");
  if (minded && !large_gate_.Admit(bytes, clock().Now())) {
    *refused = Refused::kLarge;
    return absl::ResourceExhaustedError(absl::StrCat(
        "shard ", ToIndex(config_.shard), ": ", large_gate_.on_way(),
        " bytes of large records are on their way, and small ones are not to wait for more; "
        "nothing was appended; retry"));
  }
  if (mailbox_.Push(message)) return absl::OkStatus();
  if (minded) large_gate_.GiveBack(bytes);
  if (mailbox_.shut()) return absl::FailedPreconditionError("the engine is closed");
  *refused = Refused::kFull;
  return absl::ResourceExhaustedError(absl::StrCat(
      "shard ", ToIndex(config_.shard), ": the mailbox is full; nothing was appended; retry"));
}

absl::Status ShardCore::CheckMayWait() const {
  if (!OnOwnerThread() && !ShardTurn::InAny()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("shard ", ToIndex(config_.shard),
                   " has no room, and a shard's thread that waits for it could wait for itself; "
                   "nothing was appended"));
}

absl::Status ShardCore::StayedFull() const {
  return absl::ResourceExhaustedError(
      absl::StrCat("shard ", ToIndex(config_.shard),
                   ": there was no room until the deadline; nothing was appended; retry"));
}

absl::Status ShardCore::WaitForRoom(uint32_t seen, MonotonicNs deadline) {
  RETURN_IF_ERROR(CheckMayWait());
  return mailbox_.WaitForRoom(seen, deadline) ? absl::OkStatus() : StayedFull();
}

absl::Status ShardCore::PushBlocking(const Mailbox::Message& message, MonotonicNs deadline) {
  for (;;) {
    const uint32_t seen = mailbox_.room_seen();
    const uint32_t large_seen = large_gate_.signal().Seen();
    Refused refused;
    absl::Status pushed = Push(message, &refused);
    if (refused == Refused::kNo || deadline == 0) return pushed;
    RETURN_IF_ERROR(CheckMayWait());
    const bool in_time =
        refused == Refused::kFull
            ? mailbox_.WaitForRoom(seen, deadline)
            : large_gate_.signal().Wait(large_seen, deadline, [this] { return mailbox_.shut(); });
    if (!in_time) return StayedFull();
  }
}

absl::Status ShardCore::PushPart(const Mailbox::Message& message) { return Push(message); }

bool ShardCore::HasRoom(uint64_t bytes) const {
  if (large_gate_.Minds(bytes) && !large_gate_.HasRoom(bytes, clock().Now())) return false;
  const uint64_t ring = config_.options.mailbox_bytes;
  const uint64_t needed = bytes > ring / 4 ? 0 : bytes;  // else it travels apart
  return mailbox_.used_bytes() + 2 * needed + 4096 / 8 <= ring;
}

bool ShardCore::PushHome(AtomicBatch* batch) {
  batch->home_after = mailbox_.end();
  return Submit(batch);
}

bool ShardCore::Submit(ControlItem* item) {
  if (!controls_.Push(item)) return false;
  mailbox_.Interrupt();
  return true;
}

bool ShardCore::NothingAsked() const {
  if (!controls_.empty()) return false;
  const Epoch open = config_.epochs->open();
  return open == barrier_open_ || open <= std::max(open_here_, config_.epochs->first_open());
}

MonotonicNs ShardCore::NoLaterThanRetry(MonotonicNs deadline) const {
  const bool waits = blocked_ || !controls_taken_.empty() ||
                     config_.epochs->open() > std::max(open_here_, config_.epochs->first_open());
  if (!waits || !writer_->failure().ok()) return deadline;
  return std::min(deadline, clock().Now() + SegmentPreparer::kRetryNs);
}

bool ShardCore::TakeIn() {
  bool moved = RunControls();
  moved |= DrainMailbox();
  moved |= CloseEpochIfAsked();
  return moved;
}

bool ShardCore::RunControls() {
  for (ControlItem* item = controls_.TakeAll(); item != nullptr;) {
    ControlItem* const next = ControlQueue::Next(item);
    controls_taken_.push_back(item);
    item = next;
  }
  bool moved = false;
  for (size_t left = controls_taken_.size(); left > 0; --left) {
    ControlItem* const item = controls_taken_.front();
    controls_taken_.pop_front();
    if (item->Run(*this)) {
      moved = true;
    } else {
      controls_taken_.push_back(item);
    }
  }
  return moved;
}

namespace {

// Whether anybody would be told of a refusal. A part's batch is.
bool Answered(const Mailbox::Message& message) {
  return message.kind == Mailbox::Kind::kAtomic || message.state != nullptr;
}

}  // namespace

void ShardCore::Refuse(const Mailbox::Message& message, const absl::Status& why) {
  if (message.kind == Mailbox::Kind::kAtomic) {
    config_.batches->PartRefused(static_cast<AtomicBatch*>(message.context), why);
  } else if (message.state != nullptr) {
    message.state->Complete(why);
  } else {
    ++posts_dropped_;
    drop_cause_.Update(why);
  }
}

bool ShardCore::DrainMailbox() {
  Mailbox::Message message;
  uint32_t taken = 0;
  uint64_t bytes = 0;
  bool small_taken = false;
  while (taken < kTurnMessagesMax && bytes < kTurnBytesMax && mailbox_.Peek(&message)) {
    const uint64_t message_bytes = message.payload.size();
    const bool large = large_gate_.Minds(message_bytes);
    // Small ones go to the device before the large one behind them is written into the same batch.
    if (large && small_taken) break;
    const Lsn before = writer_->appended();
    const bool tag_ignored =
        Mutated(Mutation::kEpochTagIgnored) && Epoch(message.epoch) > config_.epochs->first_open();
    const absl::Status entered = tag_ignored ? absl::OkStatus() : EnterEpoch(Epoch(message.epoch));
    if (entered.ok()) {
      blocked_ = !Deliver(message);
    } else {
      blocked_ = Passes(entered, Answered(message));
      if (!blocked_) Refuse(message, entered);
    }
    if (blocked_) break;
    if (!large) {
      small_taken = took_small_ = true;
    } else if (writer_->appended() > before) {
      large_gate_.TakenIn(message_bytes, writer_->appended(), message.options.durability);
    } else {
      large_gate_.GiveBack(message_bytes);  // refused
    }
    bytes += message_bytes;
    mailbox_.Pop();
    ++taken;
  }
  if (taken > 0) mailbox_.TellRoom();
  return taken > 0;
}

absl::Status ShardCore::EnterEpoch(Epoch open) {
  if (open <= open_here_) return absl::OkStatus();
  const Epoch closed(open.value() - 1);
  const std::string payload = EpochBarrierRecord{closed, config_.epochs->shards()}.Encode();
  const absl::StatusOr<Lsn> lsn =
      writer_->AppendControl(Bytes(payload), {.type = RecordType::kEpochBarrier},
                             [this, closed](const absl::StatusOr<Lsn>& durable) {
                               PublishDurable();
                               if (durable.ok()) config_.epochs->Reached(config_.shard, closed);
                             });
  if (!lsn.ok()) return writer_->failure().ok() ? lsn.status() : absl::OkStatus();
  writer_->set_epoch(closed);
  open_here_ = open;
  return absl::OkStatus();
}

// An idle shard takes part too. Messages that were there when the epoch was closed come first.
bool ShardCore::CloseEpochIfAsked() {
  const Epoch open = config_.epochs->open();
  if (open <= std::max(open_here_, config_.epochs->first_open())) return false;
  if (!writer_->failure().ok()) return false;
  if (barrier_open_ != open) {
    barrier_open_ = open;
    barrier_target_ = mailbox_.end();
  }
  const bool all_in = mailbox_.PoppedBefore(barrier_target_);
  if (!all_in && !Mutated(Mutation::kBarrierBeforeMessages)) return false;
  if (Mutated(Mutation::kIdleShardSkipsBarrier) && writer_->appended() == writer_->durable()) {
    config_.epochs->Reached(config_.shard, Epoch(open.value() - 1));
    writer_->set_epoch(Epoch(open.value() - 1));
    open_here_ = open;
    return true;
  }
  return EnterEpoch(open).ok();
}

absl::Status ShardCore::EnterOpenEpoch() {
  const Epoch open = config_.epochs->open();
  if (open <= open_here_) return absl::OkStatus();
  if (writer_->record_open()) return absl::OkStatus();  // it refuses the append, and says why
  const ShardTurn turn(this);
  const uint64_t target = mailbox_.end();
  while (!mailbox_.PoppedBefore(target) && DrainMailbox()) {
  }
  if (mailbox_.PoppedBefore(target)) return EnterEpoch(open);
  return absl::ResourceExhaustedError(
      "messages of an epoch that was closed wait to be appended; nothing was appended; retry after "
      "Poll");
}

bool ShardCore::Passes(const absl::Status& refused, bool answered) const {
  if (writer_->record_open()) return true;  // the host is in the middle of it
  if (!absl::IsResourceExhausted(refused) || !writer_->failure().ok()) return false;
  // A full disk does not pass: who can be told is told. What was posted without an answer stays.
  return writer_->preparing_stall().ok() ||
         (!answered && !closing_.load(std::memory_order_relaxed));
}

AppendCallback ShardCore::Answer(AppendState* state) {
  return [this, state](absl::StatusOr<Lsn> done) {
    PublishDurable();  // who is answered finds it moved
    state->Complete(std::move(done), &wakes_);
  };
}

bool ShardCore::Deliver(const Mailbox::Message& message) {
  switch (message.kind) {
    case Mailbox::Kind::kRecord:
      return DeliverRecord(message);
    case Mailbox::Kind::kBatch:
      return DeliverBatch(message);
    case Mailbox::Kind::kAtomic:
      return DeliverPart(message);
  }
  return true;
}

bool ShardCore::DeliverRecord(const Mailbox::Message& message) {
  AppendState* const state = message.state;
  absl::StatusOr<Lsn> lsn = state == nullptr
                                ? writer_->Append(message.payload, message.options)
                                : writer_->Append(message.payload, message.options, Answer(state));
  if (lsn.ok()) return true;
  if (Passes(lsn.status(), Answered(message))) return false;
  Refuse(message, lsn.status());
  return true;
}

// Record by record, so that a batch may be larger than what the buffers hold; the answer is that of
// the last one.
bool ShardCore::DeliverBatch(const Mailbox::Message& message) {
  if (batch_rest_ == 0) batch_rest_ = message.payload.size();
  absl::Span<const std::byte> rest = message.payload.subspan(message.payload.size() - batch_rest_);
  absl::StatusOr<Lsn> lsn = Lsn();
  while (!rest.empty()) {
    absl::Span<const std::byte> after = rest;
    const absl::Span<const std::byte> record = Mailbox::NextOfBatch(&after);
    lsn = after.empty() ? writer_->Append(record, message.options, Answer(message.state))
                        : writer_->Append(record, message.options);
    if (!lsn.ok()) break;
    rest = after;
    batch_rest_ = rest.size();
  }
  // Once some of it is in the log a full disk is waited out: half a batch is nobody's answer.
  const bool begun = batch_rest_ != message.payload.size();
  if (!lsn.ok() && Passes(lsn.status(), !begun)) return false;
  batch_rest_ = 0;
  if (!lsn.ok()) message.state->Complete(std::move(lsn));
  return true;
}

bool ShardCore::DeliverPart(const Mailbox::Message& message) {
  auto* const batch = static_cast<AtomicBatch*>(message.context);
  AtomicBatches& batches = *config_.batches;
  if (batches.Aborted(*batch)) {
    batches.PartRefused(batch, absl::CancelledError("aborted"));
    return true;
  }
  const absl::StatusOr<Lsn> lsn = writer_->AppendControl(
      message.payload, message.options, [this, batch](const absl::StatusOr<Lsn>& durable) {
        PublishDurable();
        config_.batches->RecordDurable(batch, durable.status());
      });
  if (lsn.ok()) {
    batches.PartAppended(batch, message.index, *lsn);
    return true;
  }
  if (Passes(lsn.status(), true)) return false;
  Refuse(message, lsn.status());
  return true;
}

bool AtomicBatch::Run(ShardCore& core) { return core.AppendHome(this); }

bool ShardCore::AppendHome(AtomicBatch* batch) {
  AtomicBatches& batches = *config_.batches;
  if (batches.Aborted(*batch)) {
    batches.HomeRefused(batch, absl::CancelledError("aborted"));
    return true;
  }
  // Behind all messages that were there before: the order that the floors rest on.
  if (!mailbox_.PoppedBefore(batch->home_after)) return false;
  if (const absl::Status entered = EnterEpoch(Epoch(batch->home_epoch)); !entered.ok()) {
    if (Passes(entered, true)) return false;
    batches.HomeRefused(batch, entered);
    return true;
  }
  AtomicHomeRecord home{batch->id, batch->home_type, batch->parts, Bytes(batch->home_payload)};
  const std::string payload = home.Encode();
  const absl::StatusOr<Lsn> lsn =
      writer_->AppendControl(Bytes(payload), {.type = RecordType::kAtomicHome},
                             [this, batch](const absl::StatusOr<Lsn>& durable) {
                               PublishDurable();
                               config_.batches->RecordDurable(batch, durable.status());
                             });
  if (lsn.ok()) {
    batches.HomeAppended(batch, *lsn);
    return true;
  }
  if (Passes(lsn.status(), true)) return false;
  batches.HomeRefused(batch, lsn.status());
  return true;
}

bool ShardCore::AppendControl(RecordType type, const std::string& payload, AppendState* state) {
  absl::StatusOr<Lsn> lsn = writer_->AppendControl(Bytes(payload), {.type = type}, Answer(state));
  if (lsn.ok()) return true;
  if (Passes(lsn.status(), true)) return false;
  state->Complete(std::move(lsn));
  return true;
}

}  // namespace corewal
