// engine/shard_core.h: the shard behind Shard and Engine: a StorageIo, a LogWriter, a mailbox and a
// queue of requests, driven by one thread.
//
//   one turn:  requests -> messages (bounded) -> barrier of a closed epoch -> the writer's Poll
//
// Large records are kept from queueing before small ones where they are accepted (large_gate.h).
// What a little waiting cures (no buffer free) leaves a message where it is, and so does a record
// that the host has open, and a full disk if nobody would be told: then the mailbox fills, and
// producers are refused.
//
// Invariants: a record is taken in only after the barriers of all epochs that its producer had seen
// closed; the barrier of an epoch only after all messages that were there when it was closed.
// Thread: Open, and everything of Shard, on the shard's thread. Push, PushHome, Submit, Shut and
// the queries from any.
#ifndef COREWAL_ENGINE_SHARD_CORE_H_
#define COREWAL_ENGINE_SHARD_CORE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/thread_owner.h"
#include "engine/atomic_batches.h"
#include "engine/control_queue.h"
#include "engine/environment.h"
#include "engine/epochs.h"
#include "engine/large_gate.h"
#include "engine/mailbox.h"
#include "engine/shard.h"
#include "engine/shard_turn.h"
#include "engine/wake_list.h"
#include "wal/recovery.h"

namespace corewal {

class ShardCore final : public Shard, public AtomicBatches::Member {
 public:
  struct Config {
    std::string directory;  // of this shard
    LogUuid uuid;
    ShardId shard{};
    ShardOptions options;  // sync_method is not kAuto
    std::string sync_probe;
    EngineEnvironment environment;
    Epochs* epochs = nullptr;  // both outlive the shard
    AtomicBatches* batches = nullptr;
    bool mark_opening = false;  // the first record of this opening comes behind a barrier
  };
  ShardCore(Config config, RecoveredLog recovered);
  ~ShardCore() override;

  // Opens ring and writer on the calling thread, which becomes the shard's.
  absl::Status Open();
  // The loop of a thread that the engine owns; returns after Shut, with the log closed.
  void Run();

  // Any thread. ResourceExhausted: full.
  absl::Status Push(const Mailbox::Message& message);
  // The same, but waits for room until `deadline`.
  absl::Status PushBlocking(const Mailbox::Message& message, MonotonicNs deadline);
  // For who was refused: until there is news of room, large or small, since `seen`.
  absl::Status WaitForRoom(uint32_t seen, MonotonicNs deadline);
  uint32_t room_seen() const { return mailbox_.room_seen(); }
  absl::Status PushPart(const Mailbox::Message& message) override;
  bool HasRoom(uint64_t bytes) const override;
  bool PushHome(AtomicBatch* batch) override;
  // Takes `item` over; false: closed, and it stays the caller's.
  bool Submit(ControlItem* item);
  void Wake() { mailbox_.Interrupt(); }
  void BeginClosing() { closing_.store(true, std::memory_order_relaxed); }
  void Shut();
  bool has_thread() const { return owner_.load(std::memory_order_acquire) != std::thread::id(); }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }  // why: info().failure
  ShardInfo info() const;
  bool OnOwnerThread() const {
    return owner_.load(std::memory_order_acquire) == std::this_thread::get_id();
  }
  Lsn durable_lsn() const override {
    // Acquire: whoever sees the watermark also sees what was done before it was published.
    return Lsn(durable_.load(std::memory_order_acquire));
  }
  // Any thread: until durable_lsn() > beyond, or `deadline`.
  void WaitDurableBeyond(Lsn beyond, MonotonicNs deadline) const;
  ShardId shard() const { return config_.shard; }
  const Clock& clock() const;

  // The shard's thread: for what runs from the control queue.
  bool AppendHome(AtomicBatch* batch);  // false: not now
  // False: not now. Takes `state` over: completed when the record is durable, or on error.
  bool AppendControl(RecordType type, const std::string& payload, AppendState* state);
  // As LogWriter has them; info() shows what they did when they return.
  absl::Status TruncateBefore(Lsn lsn);
  absl::Status SetCursor(absl::string_view name, Lsn lsn);
  absl::Status RemoveCursor(absl::string_view name);

  using Shard::Append;
  absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload,
                             const AppendOptions& options) override;
  absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload, const AppendOptions& options,
                             AppendCallback on_done) override;
  absl::Status Poll() override;
  absl::Status Wait(MonotonicNs deadline) override;
  absl::Status WaitDurable() override;
  absl::StatusOr<int> notify_fd() override;
  LogWriter& writer() override { return *writer_; }
  absl::Status Close() override;

 private:
  // The writer's timers sleep where messages arrive, so that they keep no message waiting.
  class MailboxClock final : public Clock {
   public:
    explicit MailboxClock(ShardCore& core) : core_(core) {}
    MonotonicNs Now() const override { return System().Now(); }
    void SleepUntil(MonotonicNs when) const override { core_.SleepForMessage(when); }

   private:
    ShardCore& core_;
  };

  void Loop();
  enum class Refused : uint8_t { kNo, kFull, kLarge };
  absl::Status Push(const Mailbox::Message& message, Refused* refused);
  absl::Status CheckMayWait() const;
  absl::Status StayedFull() const;
  void ShutMailbox();
  // Requests, messages, barriers. Whether anything was taken in.
  bool TakeIn();
  bool RunControls();
  bool DrainMailbox();                            // as much as one turn may take
  bool Deliver(const Mailbox::Message& message);  // false: must stay and be tried again
  // Deals with a message that is not to be appended: `why`.
  void Refuse(const Mailbox::Message& message, const absl::Status& why);
  bool DeliverRecord(const Mailbox::Message& message);
  bool DeliverBatch(const Mailbox::Message& message);
  bool DeliverPart(const Mailbox::Message& message);
  // Whether a refusal passes by itself, so that the message stays.
  bool Passes(const absl::Status& refused, bool answered) const;
  AppendCallback Answer(AppendState* state);
  // Appends the barrier of what is closed before `open`. OK also on a failed shard, which takes
  // part in no epoch. ResourceExhausted: not now.
  absl::Status EnterEpoch(Epoch open);
  bool CloseEpochIfAsked();
  absl::Status EnterOpenEpoch();  // before an append by the host
  // No request or closed epoch is new. After Mailbox::Arm.
  bool NothingAsked() const;
  // What could not be taken in is tried again after a while.
  MonotonicNs NoLaterThanRetry(MonotonicNs deadline) const;
  void SleepForMessage(MonotonicNs deadline);
  void WaitInRing(MonotonicNs deadline);
  absl::Status FinishMessages();
  void RefuseControls();
  void RefuseMessages();
  void Publish();
  void PublishDurable();
  void ReleaseLarge();
  absl::Status PublishAll(absl::Status done);  // also what would wait for its turn; gives `done`
  void SetTimer();
  void Refresh(ShardInfo* info) const;  // what changes while it runs; allocates nothing

  const uint64_t process_ = ProcessGeneration();
  const Config config_;
  const RecoveredLog recovered_;
  Mailbox mailbox_;
  LargeGate large_gate_;
  bool took_small_ = false;  // since the gate was told
  WakeList wakes_;           // of those answered by callbacks of the writer
  ControlQueue controls_;
  std::deque<ControlItem*> controls_taken_;  // oldest first; the shard's own
  const MailboxClock mailbox_clock_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  // Release and acquire: who sees it set sees the last snapshot.
  std::atomic<bool> closed_{false};
  bool blocked_ = false;  // the message at the head cannot be appended now
  // What cannot be appended is not kept any more. Relaxed: a wish, seen sooner or later.
  std::atomic<bool> closing_{false};
  uint64_t posts_dropped_ = 0;  // while closing
  absl::Status drop_cause_;
  uint64_t batch_rest_ = 0;  // bytes of the kBatch at the head that are still to be appended

  Epoch open_here_;              // the epoch that records land in
  Epoch barrier_open_;           // barrier_target_ was taken for this one
  uint64_t barrier_target_ = 0;  // messages before this place come before the barrier

  // For sleepers in epoll: an epoll over the storage's fd, the mailbox's and a timer's. The
  // mailbox's also wakes a sleeper in the ring.
  int epoll_fd_ = -1, mailbox_fd_ = -1, timer_fd_ = -1;
  bool ring_wakes_ = false;
  MonotonicNs timer_set_ = kNever;

  std::atomic<uint64_t> durable_{0};
  // Who waits for durable_ to move, and how often there was news for them (their futex word).
  mutable std::atomic<uint32_t> durable_waiters_{0};
  std::atomic<uint32_t> durable_news_{0};
  std::atomic<std::thread::id> owner_{};
  std::atomic<bool> failed_{false};  // release: failure is in info_
  mutable std::mutex info_mutex_;    // not on the append path
  ShardInfo info_;
  MonotonicNs info_at_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_SHARD_CORE_H_
