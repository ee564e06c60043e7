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
  uint32_t cells;
  Kind kind;
  bool filler;
  Durability durability;
  RecordType type;
  uint64_t payload_bytes;
  uint64_t epoch;
  union {
    AppendState* state;
    void* context;  // kAtomic
  };
  std::byte* outsize;  // payload in memory of its own; null: behind this header
  uint32_t index;
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
  uint64_t filler = 0;
  do {
    if ((tail & kShut) != 0) return false;
    const uint64_t to_end = cells_ - tail % cells_;
    filler = to_end < cells ? to_end : 0;
    // Acquire: pairs with the release in Pop, so that the cells' cleared words are visible.
    const uint64_t head = head_.load(std::memory_order_acquire);
    // Signed: `tail` may be older than `head`. Then the exchange fails, and brings the present one.
    const auto used = static_cast<int64_t>(tail + filler + cells - head);
    if (used > static_cast<int64_t>(cells_)) return false;
    // Acquire and release: what a producer had seen when it reserved (the epoch) is visible to all
    // who reserve after it.
  } while (!tail_.compare_exchange_weak(tail, tail + filler + cells, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  if (filler > 0) {
    Header* header = HeaderAt(tail);
    header->filler = true;
    // Release: pairs with the acquire in Peek.
    std::atomic_ref(header->cells).store(static_cast<uint32_t>(filler), std::memory_order_release);
  }
  *position = tail + filler;
  return true;
}

namespace {

// Before each record of a batch.
using BatchLength = uint64_t;

void Store(const Mailbox::Message& message, std::byte* to) {
  const auto append = [&to](const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  };
  append(message.prefix.data(), message.prefix.size());
  append(message.payload.data(), message.payload.size());
  for (const auto record : message.records) {
    const BatchLength length = record.size();
    append(&length, sizeof(length));
    append(record.data(), record.size());
  }
}

}  // namespace

uint64_t Mailbox::StoredBytes(const Message& message) {
  uint64_t bytes = message.prefix.size() + message.payload.size();
  for (const auto record : message.records) bytes += sizeof(BatchLength) + record.size();
  return bytes;
}

absl::Span<const std::byte> Mailbox::NextOfBatch(absl::Span<const std::byte>* rest) {
  BatchLength length;
  CHECK_GE(rest->size(), sizeof(length));
  std::memcpy(&length, rest->data(), sizeof(length));
  const absl::Span<const std::byte> record = rest->subspan(sizeof(length), length);
  CHECK_EQ(record.size(), length);
  rest->remove_prefix(sizeof(length) + length);
  return record;
}

bool Mailbox::Push(const Message& message) {
  const uint64_t bytes = StoredBytes(message);
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
  header->kind = message.kind;
  header->filler = false;
  header->durability = message.options.durability;
  header->type = message.options.type;
  header->payload_bytes = bytes;
  header->epoch = message.epoch;
  if (message.kind == Kind::kAtomic) {
    header->context = message.context;
  } else {
    header->state = message.state;
  }
  header->index = message.index;
  header->outsize = memory;
  Store(message, outsize ? memory : reinterpret_cast<std::byte*>(header + 1));
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
    if (header->filler) {
      Pop();
      continue;
    }
    const bool atomic = header->kind == Kind::kAtomic;
    message->kind = header->kind;
    message->options = {header->durability, header->type};
    message->state = atomic ? nullptr : header->state;
    message->context = atomic ? header->context : nullptr;
    message->index = header->index;
    message->epoch = header->epoch;
    const std::byte* data = header->outsize != nullptr
                                ? header->outsize
                                : reinterpret_cast<const std::byte*>(header + 1);
    message->payload = absl::MakeConstSpan(data, header->payload_bytes);
    return true;
  }
}

void Mailbox::Pop() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  Header* header = HeaderAt(head);
  const uint64_t cells = header->cells;
  if (!header->filler && header->outsize != nullptr) {
    std::free(header->outsize);
    outsize_bytes_.fetch_sub(header->payload_bytes, std::memory_order_relaxed);
  }
  for (uint64_t i = 0; i < cells; ++i) HeaderAt(head + i)->cells = 0;
  // Release: the cleared words are visible before the cells can be reserved again.
  head_.store(head + cells, std::memory_order_release);
}

bool Mailbox::Arm(Bed bed, bool blocked) {
  // Sequentially consistent: see Push.
  sleeping_.store(static_cast<uint32_t>(bed), std::memory_order_seq_cst);
  Message message;
  if ((blocked || !Peek(&message)) && !shut()) return true;
  Disarm();
  return false;
}

void Mailbox::Sleep(MonotonicNs deadline) {
  FutexWait(sleeping_, static_cast<uint32_t>(Bed::kFutex), deadline);
}

void Mailbox::Wake() {
  // Only who takes the word to 0 makes the system call.
  const auto bed = static_cast<Bed>(sleeping_.exchange(0, std::memory_order_seq_cst));
  if (bed == Bed::kFutex) FutexWake(sleeping_, 1);
  if (bed != Bed::kEventFd) return;
  if (const int fd = event_fd_.load(std::memory_order_acquire); fd >= 0) eventfd_write(fd, 1);
}

}  // namespace corewal
