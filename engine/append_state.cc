#include "engine/append_state.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/check.h"
#include "base/futex.h"
#include "engine/wake_list.h"

namespace corewal {

// A stack of free states, by number, so that the head fits one word together with a count that
// tells a state that was taken and came back from one that stayed (the ABA problem).
class AppendStatePool {
 public:
  static AppendStatePool& Get() {
    static auto* pool = new AppendStatePool;  // never destroyed: futures may be held by statics
    return *pool;
  }

  AppendState* Take() {
    // Acquire: what was done to the state before it came back is visible, its next_free_ too.
    uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const auto number = static_cast<uint32_t>(head);
      if (number == 0) return Grow();
      AppendState* state = At(number);
      // Relaxed: if somebody else takes it meanwhile this may be anything, and the exchange fails.
      const uint32_t next = state->next_free_.load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, NextHead(head, next), std::memory_order_acquire,
                                      std::memory_order_acquire)) {
        return state;
      }
    }
  }

  void GiveBack(AppendState* state) { Push(state, state); }

  uint64_t size() const {
    // Acquire: the slabs counted are there.
    const uint32_t slabs = slabs_made_.load(std::memory_order_acquire);
    return FirstOf(slabs) - 1;
  }

 private:
  static constexpr uint32_t kFirstSlab = 256;  // states; each slab is twice the one before
  static constexpr uint32_t kSlabsMax = 23;
  static constexpr uint32_t kWakeGroup = 32;  // states; the bits of a futex's bitset

  static uint64_t NextHead(uint64_t head, uint32_t number) {
    return ((head >> 32) + 1) << 32 | number;
  }
  static uint32_t FirstOf(uint32_t slab) { return (kFirstSlab << slab) - kFirstSlab + 1; }

  AppendState* At(uint32_t number) {
    const uint32_t slab = 31 - static_cast<uint32_t>(__builtin_clz(number - 1 + kFirstSlab)) - 8;
    static_assert(kFirstSlab == 1u << 8);
    // Acquire: pairs with the release in Grow.
    return slabs_[slab].load(std::memory_order_acquire) + (number - FirstOf(slab));
  }

  // Release: the states' next_free_ and all that was done to them is visible to who takes them.
  void Push(AppendState* first, AppendState* last) {
    uint64_t head = head_.load(std::memory_order_relaxed);
    do {
      last->next_free_.store(static_cast<uint32_t>(head), std::memory_order_relaxed);
    } while (!head_.compare_exchange_weak(head, NextHead(head, first->number_),
                                          std::memory_order_release, std::memory_order_relaxed));
  }

  AppendState* Grow() {
    const std::lock_guard lock(grow_mutex_);
    const uint32_t slab = slabs_made_.load(std::memory_order_relaxed);
    CHECK_LT(slab, kSlabsMax) << "2^31 appends wait for their answer";
    const uint32_t count = kFirstSlab << slab;
    auto* states = new AppendState[count];
    auto* wake_words = new std::atomic<uint32_t>[count / kWakeGroup] {};
    for (uint32_t i = 0; i < count; ++i) {
      states[i].wake_word_ = &wake_words[i / kWakeGroup];
      states[i].wake_bit_ = 1u << i % kWakeGroup;
      states[i].number_ = FirstOf(slab) + i;
      states[i].next_free_.store(i + 1 < count ? FirstOf(slab) + i + 1 : 0,
                                 std::memory_order_relaxed);
    }
    // Release: who learns a number of this slab finds its states.
    slabs_[slab].store(states, std::memory_order_release);
    slabs_made_.store(slab + 1, std::memory_order_release);
    Push(&states[1], &states[count - 1]);
    return &states[0];
  }

  std::atomic<uint64_t> head_{0};  // number of the first free one, and above it a count of changes
  std::array<std::atomic<AppendState*>, kSlabsMax> slabs_{};
  std::atomic<uint32_t> slabs_made_{0};
  std::mutex grow_mutex_;
};

AppendState* AppendState::Take(int references) {
  AppendState* state = AppendStatePool::Get().Take();
  // Relaxed: it is published to the others through the mailbox.
  state->ready_.store(kPending, std::memory_order_relaxed);
  state->references_.store(references, std::memory_order_relaxed);
  return state;
}

AppendState* AppendState::Take(AppendCallback on_done) {
  AppendState* state = Take(1);
  state->on_done_ = std::move(on_done);
  return state;
}

uint64_t AppendState::pool_size() { return AppendStatePool::Get().size(); }

void AppendState::Recycle() {
  result_ = Lsn();
  on_done_ = nullptr;
  AppendStatePool::Get().GiveBack(this);
}

void AppendState::Complete(absl::StatusOr<Lsn> result, WakeList* wakes) {
  result_ = std::move(result);
  if (on_done_) {
    if (wakes != nullptr) wakes->WakeAll();
    on_done_(result_);
  } else {
    // Release: result_ is visible to whoever sees ready_ set. Acquire: so is, here, what Suspend
    // left.
    const uint32_t before = ready_.exchange(kReady, std::memory_order_acq_rel);
    if (before == kWaited) {
      if (wakes != nullptr) {
        wakes->Add(wake_word_, wake_bit_);
      } else {
        WakeList::Wake(wake_word_, wake_bit_);
      }
    } else if (before == kSuspended) {
      if (wakes != nullptr) wakes->WakeAll();
      resume_(continuation_);
    }
  }
  Release();
}

bool AppendState::WaitUntil(MonotonicNs deadline, const std::stop_token& stop) const {
  const auto interrupt = [this] { WakeList::Wake(wake_word_, wake_bit_); };
  const std::stop_callback on_stop(stop, interrupt);
  for (;;) {
    // Before the answer is looked for: a wake-up for it that comes later changes the word. Acquire:
    // one that came earlier shows the answer.
    const uint32_t wakes = wake_word_->load(std::memory_order_acquire);
    uint32_t state = ready_.load(std::memory_order_acquire);  // as in ready()
    if (state == kReady) return true;
    CHECK(state != kSuspended) << "a second waiter of one future";
    if (deadline != kNever && Clock::System().Now() >= deadline) return false;
    // Says that a wake-up is wanted, so that Complete makes no system call for nobody.
    if (state == kPending &&
        !ready_.compare_exchange_strong(state, kWaited, std::memory_order_acq_rel)) {
      continue;
    }
    // After the word was read: a stop requested earlier is seen here, a later one changes it.
    if (stop.stop_requested()) return ready();
    FutexWaitBits(*wake_word_, wakes, wake_bit_, deadline);
  }
}

bool AppendState::Suspend(void* address, void (*resume)(void*)) {
  continuation_ = address;
  resume_ = resume;
  uint32_t state = kPending;
  // Release: Complete sees the continuation. Acquire: if it is ready, result_ is visible.
  while (!ready_.compare_exchange_strong(state, kSuspended, std::memory_order_acq_rel)) {
    if (state == kReady) return false;
    CHECK(state == kWaited) << "a second waiter of one future";  // left by a wait that ended
  }
  return true;
}

}  // namespace corewal
