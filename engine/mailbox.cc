#include "engine/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/futex.h"

namespace corewal {

// The start of a message's first cell. `cells` is its first word and is published last.
struct Mailbox::Header {
  enum class Kind : uint8_t { kAppend, kTruncate, kFiller };
  uint32_t cells;
  Kind kind;
  Durability durability;
  RecordType type;
  uint64_t payload_bytes;  // or the LSN of kTruncate
  AppendState* state;
  std::byte* outsize;  // payload in memory of its own; null: behind this header
};

Mailbox::Mailbox(uint32_t bytes) : cells_(bytes / kCellBytes) {
  static_assert(sizeof(Header) <= kCellBytes);
  CHECK(bytes >= 4096 && (bytes & (bytes - 1)) == 0) << "mailbox of " << bytes << " bytes";
  ring_ = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kCellBytes)));
  std::memset(ring_, 0, bytes);
}

Mailbox::~Mailbox() {
  Cancel();
  ::operator delete(ring_, std::align_val_t(kCellBytes));
}

void Mailbox::Cancel() {
  Message message;
  while (Peek(&message)) {
    if (message.state != nullptr) {
      message.state->Complete(absl::CancelledError("the shard closed before the append was made"));
    }
    Pop();
  }
}

Mailbox::Header* Mailbox::HeaderAt(uint64_t position) const {
  return reinterpret_cast<Header*>(ring_ + position % cells_ * kCellBytes);
}

bool Mailbox::ReserveOutsize(uint64_t bytes) {
  const uint64_t budget = cells_ * kCellBytes * kOutsizeFactor;
  // Relaxed: only the sum counts; the payload is published through the cell's word.
  uint64_t held = outsize_bytes_.load(std::memory_order_relaxed);
  do {
    if (held != 0 && held + bytes > budget) return false;  // a single one may always pass
  } while (!outsize_bytes_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  return true;
}

// Reserves `cells` contiguous cells; where they would wrap, the ring's last cells become filler.
bool Mailbox::Reserve(uint64_t cells, uint64_t* position) {
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  uint64_t filler;
  do {
    if ((tail & kShut) != 0) return false;
    const uint64_t to_end = cells_ - tail % cells_;
    filler = to_end < cells ? to_end : 0;
    // Acquire: pairs with the release in Pop, so that the cells' cleared words are visible.
    const uint64_t head = head_.load(std::memory_order_acquire);
    // Signed: `tail` may be older than `head`. Then the exchange fails, and brings the present one.
    const auto used = static_cast<int64_t>(tail + filler + cells - head);
    if (used > static_cast<int64_t>(cells_)) return false;
  } while (!tail_.compare_exchange_weak(tail, tail + filler + cells, std::memory_order_relaxed));
  if (filler > 0) {
    Header* header = HeaderAt(tail);
    header->kind = Header::Kind::kFiller;
    // Release: pairs with the acquire in Peek.
    std::atomic_ref(header->cells).store(static_cast<uint32_t>(filler), std::memory_order_release);
  }
  *position = tail + filler;
  return true;
}

bool Mailbox::Push(const Message& message) {
  const uint64_t bytes = message.payload.size();
  const bool outsize = bytes > cells_ * kCellBytes / 4;
  const uint64_t cells = outsize ? 1 : (sizeof(Header) + bytes + kCellBytes - 1) / kCellBytes;
  std::byte* memory = nullptr;
  if (outsize) {
    if (!ReserveOutsize(bytes)) return false;
    memory = static_cast<std::byte*>(std::malloc(bytes));
  }
  uint64_t position;
  if ((outsize && memory == nullptr) || !Reserve(cells, &position)) {
    std::free(memory);
    if (outsize) outsize_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  Header* header = HeaderAt(position);
  header->kind = message.truncate ? Header::Kind::kTruncate : Header::Kind::kAppend;
  header->durability = message.options.durability;
  header->type = message.options.type;
  header->payload_bytes = message.truncate ? message.truncate_lsn.value() : bytes;
  header->state = message.state;
  header->outsize = memory;
  std::byte* to = outsize ? memory : reinterpret_cast<std::byte*>(header + 1);
  if (bytes > 0) std::memcpy(to, message.payload.data(), bytes);
  // Sequentially consistent: publishes the message, and orders it before the look at sleeping_;
  // the shard stores sleeping_ and looks at the cell in the opposite order (Arm), so that one of
  // the two sees the other.
  std::atomic_ref(header->cells).store(static_cast<uint32_t>(cells), std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst) != 0) Wake();
  return true;
}

bool Mailbox::Peek(Message* message) {
  for (;;) {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    Header* header = HeaderAt(head);
    // Sequentially consistent for Arm's sake; otherwise acquire would do.
    if (std::atomic_ref(header->cells).load(std::memory_order_seq_cst) == 0) return false;
    if (header->kind == Header::Kind::kFiller) {
      Pop();
      continue;
    }
    message->options = {header->durability, header->type};
    message->state = header->state;
    message->truncate = header->kind == Header::Kind::kTruncate;
    message->truncate_lsn = Lsn(message->truncate ? header->payload_bytes : 0);
    const std::byte* data = header->outsize != nullptr
                                ? header->outsize
                                : reinterpret_cast<const std::byte*>(header + 1);
    message->payload = absl::MakeConstSpan(data, message->truncate ? 0 : header->payload_bytes);
    return true;
  }
}

void Mailbox::Pop() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  Header* header = HeaderAt(head);
  const uint64_t cells = header->cells;
  if (header->kind == Header::Kind::kAppend && header->outsize != nullptr) {
    std::free(header->outsize);
    outsize_bytes_.fetch_sub(header->payload_bytes, std::memory_order_relaxed);
  }
  for (uint64_t i = 0; i < cells; ++i) HeaderAt(head + i)->cells = 0;
  // Release: the cleared words are visible before the cells can be reserved again.
  head_.store(head + cells, std::memory_order_release);
}

bool Mailbox::Arm() {
  sleeping_.store(1, std::memory_order_seq_cst);
  Message message;
  if (!Peek(&message)) return true;
  sleeping_.store(0, std::memory_order_relaxed);
  return false;
}

void Mailbox::WaitForMessage(MonotonicNs deadline) {
  if (!Arm()) return;
  if (!shut()) FutexWait(sleeping_, 1, deadline);
  sleeping_.store(0, std::memory_order_relaxed);
}

void Mailbox::Wake() {
  // Only who takes the word from 1 to 0 makes the system call.
  if (sleeping_.exchange(0, std::memory_order_seq_cst) == 0) return;
  FutexWake(sleeping_, 1);
  if (const int fd = event_fd_.load(std::memory_order_acquire); fd >= 0) eventfd_write(fd, 1);
}

}  // namespace corewal
