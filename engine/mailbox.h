// engine/mailbox.h: how appends from other threads reach a shard. Bounded, lock-free, many to one.
//
//   ring of 64-byte cells:   | message: header + payload, 1..n cells | message | (filler) | ...
//                              ^ head: the shard reads here             tail: producers reserve ^
//
// A producer reserves cells by advancing `tail`, copies its payload in, and publishes by setting
// the first cell's word. The shard consumes in reservation order, clears the first word of every
// cell it frees, and advances `head`. A payload too large for a quarter of the ring travels in
// memory of its own, within a budget of as many bytes as kOutsizeFactor rings.
//
// A message carries the epoch that its producer read before it reserved. Reservations are ordered
// (acquire and release on `tail`), so whoever pushes later has an epoch at least as high.
//
// Invariants: head <= tail <= head + cells; every free cell's first word is zero.
// Thread: Push, WaitForRoom and Interrupt by any; the rest by the shard alone.
#ifndef COREWAL_ENGINE_MAILBOX_H_
#define COREWAL_ENGINE_MAILBOX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/types/span.h"
#include "base/clock.h"
#include "engine/append_state.h"
#include "engine/room_signal.h"
#include "wal/log_writer.h"

namespace corewal {

class Mailbox {
 public:
  enum class Kind : uint8_t {
    kRecord,
    kBatch,   // several records, one answer: read them with NextOfBatch
    kAtomic,  // `context` is the AtomicBatch, `index` says which of its parts
  };
  struct Message {
    Kind kind = Kind::kRecord;
    absl::Span<const std::byte> prefix;   // Push: goes before payload; not used by Peek
    absl::Span<const std::byte> payload;  // Peek: with the prefix; valid until Pop
    absl::Span<const absl::Span<const std::byte>> records = {};  // Push: of a kBatch
    AppendOptions options;
    AppendState* state = nullptr;  // to be completed; may be null
    void* context = nullptr;       // kAtomic, which has no state
    uint32_t index = 0;
    uint64_t epoch = 0;
  };
  // Takes the first record off what is left of a kBatch's payload. Requires that it is not empty.
  static absl::Span<const std::byte> NextOfBatch(absl::Span<const std::byte>* rest);

  // `bytes` is a power of two, at least 4096.
  explicit Mailbox(uint32_t bytes);
  ~Mailbox();

  // What Peek will show as the payload's size: with prefix, or records and their lengths.
  static uint64_t StoredBytes(const Message& message);
  // False: full, nothing happened. Copies the payload.
  bool Push(const Message& message);
  // The oldest message, if any. Stays until Pop.
  bool Peek(Message* message);
  void Pop();

  // Until the shard has made room since `seen` (room_seen() before the Push that failed), the
  // mailbox is shut, or `deadline`. False: the deadline passed.
  uint32_t room_seen() const { return room_.Seen(); }
  bool WaitForRoom(uint32_t seen, MonotonicNs deadline) {
    return room_.Wait(seen, deadline, [this] { return shut(); });
  }
  // After some Pops: wakes those who wait for room. No system call if there are none.
  void TellRoom() { room_.Tell(); }

  // Where the next message will be reserved, and whether everything reserved before `position` has
  // been popped.
  uint64_t end() const { return tail_.load(std::memory_order_acquire) & ~kShut; }
  bool PoppedBefore(uint64_t position) const {
    return head_.load(std::memory_order_relaxed) >= position;
  }
  // Bytes of the ring that hold messages now; any thread.
  uint64_t used_bytes() const {
    // Acquire: the tail is not read before it, and so is not behind it.
    const uint64_t head = head_.load(std::memory_order_acquire);
    return (end() - head) * kCellBytes;
  }

  // From here on every Push fails. One that had its place in the ring already still arrives.
  void Shut() {
    tail_.fetch_or(kShut, std::memory_order_seq_cst);
    TellRoom();
  }
  bool shut() const { return (tail_.load(std::memory_order_seq_cst) & kShut) != 0; }
  // After Shut: nothing is there and nothing can come any more.
  bool drained() const {
    return head_.load(std::memory_order_relaxed) ==
           (tail_.load(std::memory_order_acquire) & ~kShut);
  }
  // Answers what is there with Cancelled. After Shut, or with no producer left.
  void Cancel();

  // How the shard sleeps: Arm; look for other reasons to stay awake; sleep; Disarm. Whoever pushes
  // or interrupts after Arm wakes it. Arm returns false (and has not armed) if the mailbox is shut
  // or there is a message, unless the shard is `blocked`: it cannot take the message now.
  enum class Bed : uint32_t { kAwake = 0, kFutex = 1, kEventFd = 2 };
  bool Arm(Bed bed, bool blocked = false);
  void Disarm() { sleeping_.store(0, std::memory_order_relaxed); }
  void Sleep(MonotonicNs deadline);  // in Bed::kFutex
  // All of it: until there is a message, Interrupt(), or `deadline`.
  void WaitForMessage(MonotonicNs deadline) {
    if (!Arm(Bed::kFutex)) return;
    Sleep(deadline);
    Disarm();
  }
  void Interrupt() { Wake(); }
  // An eventfd that is written to wake a shard in Bed::kEventFd: asleep in its ring, or in epoll.
  void set_event_fd(int fd) { event_fd_.store(fd, std::memory_order_release); }

 private:
  struct Header;
  static constexpr uint32_t kCellBytes = 64;
  static constexpr uint64_t kOutsizeFactor = 16;
  static constexpr uint64_t kShut = 1ull << 63;  // in tail_, so that no place is given after it

  Header* HeaderAt(uint64_t position) const;
  bool ReserveOutsize(uint64_t bytes);
  bool Reserve(uint64_t cells, uint64_t* position);
  void Wake();

  const uint64_t cells_;
  std::byte* ring_;
  std::atomic<int> event_fd_{-1};
  std::atomic<uint64_t> outsize_bytes_{0};
  // Apart, so that producers and the shard do not share a cache line.
  alignas(64) std::atomic<uint64_t> tail_{0};
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint32_t> sleeping_{0};  // a Bed; the futex word of kFutex
  alignas(64) RoomSignal room_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_MAILBOX_H_
