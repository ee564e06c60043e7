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
// Invariants: head <= tail <= head + cells; every free cell's first word is zero.
// Thread: Push by any; Peek, Pop, WaitForMessage by the shard alone.
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
#include "wal/log_writer.h"

namespace corewal {

class Mailbox {
 public:
  struct Message {
    absl::Span<const std::byte> payload;  // valid until Pop
    AppendOptions options;
    AppendState* state = nullptr;  // to be completed; may be null
    bool truncate = false;         // instead of an append: give up what is before `truncate_lsn`
    Lsn truncate_lsn;
  };

  // `bytes` is a power of two, at least 4096. `wake` is called by producers, on their thread, when
  // the shard sleeps elsewhere than in WaitForMessage (see Arm).
  explicit Mailbox(uint32_t bytes);
  ~Mailbox();

  // False: full, nothing happened. Copies the payload.
  bool Push(const Message& message);
  // The oldest message, if any. Stays until Pop.
  bool Peek(Message* message);
  void Pop();

  // From here on every Push fails. One that had its place in the ring already still arrives.
  void Shut() { tail_.fetch_or(kShut, std::memory_order_seq_cst); }
  bool shut() const { return (tail_.load(std::memory_order_seq_cst) & kShut) != 0; }
  // After Shut: nothing is there and nothing can come any more.
  bool drained() const {
    return head_.load(std::memory_order_relaxed) ==
           (tail_.load(std::memory_order_acquire) & ~kShut);
  }
  // Answers what is there with Cancelled. After Shut, or with no producer left.
  void Cancel();

  // Sleeps until there is a message, Interrupt(), or `deadline`.
  void WaitForMessage(MonotonicNs deadline);
  void Interrupt() { Wake(); }
  // For a shard that sleeps in epoll: `fd` (an eventfd) is written when a message arrives after Arm
  // returned true. False: there is a message already.
  void set_event_fd(int fd) { event_fd_.store(fd, std::memory_order_release); }
  bool Arm();

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
  alignas(64) std::atomic<uint32_t> sleeping_{0};
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_MAILBOX_H_
