#include "tests/proof/allocation_count.h"

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COREWAL_SANITIZER_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COREWAL_SANITIZER_HEAP 1
#endif
#endif

namespace {
std::atomic<uint64_t> allocations = 0;
}  // namespace

#ifdef COREWAL_SANITIZER_HEAP

// A sanitizer's heap tells of itself; in its place no other may stand. Declared here because g++
// does not ship <sanitizer/allocator_interface.h>.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));

namespace {
void OnMalloc(const volatile void*, size_t) { allocations.fetch_add(1, std::memory_order_relaxed); }
void OnFree(const volatile void*) {}
const int installed = __sanitizer_install_malloc_and_free_hooks(OnMalloc, OnFree);
}  // namespace

#else

// glibc's own, under the names by which it lets them be replaced.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
}

#endif

namespace corewal {

uint64_t AllocationCount() { return allocations.load(std::memory_order_relaxed); }

}  // namespace corewal
