// engine/shard_core.h: the shard behind Shard and Engine: a StorageIo, a LogWriter and a mailbox,
// driven by one thread.
//
// Thread: Open, and everything of Shard, on the shard's thread. Push, durable_lsn, info from any.
#ifndef COREWAL_ENGINE_SHARD_CORE_H_
#define COREWAL_ENGINE_SHARD_CORE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/thread_owner.h"
#include "engine/mailbox.h"
#include "engine/shard.h"
#include "wal/recovery.h"

namespace corewal {

class ShardCore final : public Shard {
 public:
  struct Config {
    std::string directory;  // of this shard
    LogUuid uuid;
    ShardId shard{};
    ShardOptions options;  // sync_method is not kAuto
    std::string sync_probe;
  };
  ShardCore(Config config, RecoveredLog recovered);
  ~ShardCore() override;

  // Opens ring and writer on the calling thread, which becomes the shard's.
  absl::Status Open();
  // The loop of a thread that the engine owns; returns after Shut, with the log closed.
  void Run();

  // Any thread.
  absl::Status Push(const Mailbox::Message& message);
  void Shut();
  bool has_thread() const { return owner_.load(std::memory_order_acquire) != std::thread::id(); }
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  ShardInfo info() const;
  bool OnOwnerThread() const {
    return owner_.load(std::memory_order_acquire) == std::this_thread::get_id();
  }
  Lsn durable_lsn() const override {
    // Acquire: whoever sees the watermark also sees what was done before it was published.
    return Lsn(durable_.load(std::memory_order_acquire));
  }

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
    explicit MailboxClock(Mailbox& mailbox) : mailbox_(mailbox) {}
    MonotonicNs Now() const override { return System().Now(); }
    void SleepUntil(MonotonicNs when) const override { mailbox_.WaitForMessage(when); }

   private:
    Mailbox& mailbox_;
  };

  bool DrainMailbox();                            // whether anything was taken out
  bool Deliver(const Mailbox::Message& message);  // false: must stay and be tried again
  void Publish();
  void PublishDurable();
  void SetTimer();
  void Refresh(ShardInfo* info) const;  // what changes while it runs; allocates nothing

  const uint64_t process_ = ProcessGeneration();
  const Config config_;
  const RecoveredLog recovered_;
  Mailbox mailbox_;
  const MailboxClock clock_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  // Release and acquire: who sees it set sees the last snapshot.
  std::atomic<bool> closed_{false};

  // For hosts that sleep in epoll: an epoll over the storage's fd, the mailbox's and a timer's.
  int epoll_fd_ = -1, mailbox_fd_ = -1, timer_fd_ = -1;
  MonotonicNs timer_set_ = kNever;

  std::atomic<uint64_t> durable_{0};
  std::atomic<std::thread::id> owner_{};
  mutable std::mutex info_mutex_;  // not on the append path
  ShardInfo info_;
  MonotonicNs info_at_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_SHARD_CORE_H_
