#include "base/thread_owner.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace corewal {
namespace {

// 0 in a child until it asks for its own generation. Null where the kernel has no WIPEONFORK.
std::atomic<uint64_t>* MakeWipedPage() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
    munmap(page, 4096);
    return nullptr;
  }
  return static_cast<std::atomic<uint64_t>*>(page);  // zeroed pages are a valid atomic of 0
}

std::atomic<uint64_t> generations_given{0};  // copied to the child, so the child's are higher
std::atomic<uint64_t> threads_numbered{0};
constinit thread_local uint64_t this_thread = 0;

uint64_t ThisThread() {
  if (this_thread == 0) this_thread = ++threads_numbered;
  return this_thread;
}

}  // namespace

uint64_t ProcessGeneration() {
  static std::atomic<uint64_t>* const page = MakeWipedPage();
  if (page == nullptr) return static_cast<uint64_t>(getpid());
  uint64_t generation = page->load(std::memory_order_relaxed);
  if (generation == 0) {
    const uint64_t fresh = ++generations_given;
    if (page->compare_exchange_strong(generation, fresh)) generation = fresh;
  }
  return generation;
}

ThreadOwner::ThreadOwner() : process_(ProcessGeneration()), thread_(ThisThread()) {}

ThreadOwner::Caller ThreadOwner::Identify() const {
  if (process_ != ProcessGeneration()) return Caller::kForkedChild;
  return thread_ == ThisThread() ? Caller::kOwner : Caller::kForeignThread;
}

absl::Status ThreadOwner::Refusal(Caller caller) {
  if (caller == Caller::kForkedChild) {
    return absl::FailedPreconditionError(
        "called in a forked child; only the process that created it may use it");
  }
  return absl::FailedPreconditionError(
      "called from another thread; only the thread that created it may use it");
}

}  // namespace corewal
