// engine/wake_list.h: wake-ups that are owed, to be made together.
//
// Waking sleepers one by one costs more than a sync: each is a system call, and each may find a CPU
// that has just gone idle again and must be interrupted. Sleepers that share a futex word, each
// with a bit of its own, are woken by one call (futex(2), FUTEX_WAKE_BITSET).
//
//   Add, Add, Add ... WakeAll      to be made before the thread does anything that takes long
//
// Thread: one at a time.
#ifndef COREWAL_ENGINE_WAKE_LIST_H_
#define COREWAL_ENGINE_WAKE_LIST_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "base/futex.h"

namespace corewal {

class WakeList {
 public:
  // The sleepers on `word` that sleep with one of `bits`. `word` lives for good.
  void Add(std::atomic<uint32_t>* word, uint32_t bits) {
    for (uint32_t i = 0; i < used_; ++i) {
      if (entries_[i].word != word) continue;
      entries_[i].bits |= bits;
      return;
    }
    if (used_ == entries_.size()) WakeAll();
    entries_[used_++] = {word, bits};
  }

  void WakeAll() {
    for (uint32_t i = 0; i < used_; ++i) Wake(entries_[i].word, entries_[i].bits);
    used_ = 0;
  }

  static void Wake(std::atomic<uint32_t>* word, uint32_t bits) {
    // So that who is about to sleep does not. Release: who finds the word changed also finds why.
    word->fetch_add(1, std::memory_order_release);
    FutexWakeBits(*word, bits);
  }

 private:
  struct Entry {
    std::atomic<uint32_t>* word;
    uint32_t bits;
  };
  std::array<Entry, 16> entries_;
  uint32_t used_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_WAKE_LIST_H_
