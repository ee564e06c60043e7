#include "base/aligned_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace corewal {
namespace {

bool IsMapped(const std::byte* data) {
  unsigned char present;
  return mincore(const_cast<std::byte*>(data), 4096, &present) == 0;
}

TEST(AlignedMemoryTest, IsAlignedZeroedAndPresent) {
  auto memory = AlignedMemory::Allocate(64 << 10);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->size(), 64u << 10);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % 4096, 0u);
  std::vector<unsigned char> present(16);
  ASSERT_EQ(mincore(memory->data(), memory->size(), present.data()), 0);
  for (const unsigned char page : present) EXPECT_EQ(page & 1, 1);
  EXPECT_TRUE(std::all_of(memory->data(), memory->data() + memory->size(),
                          [](std::byte b) { return b == std::byte{0}; }));
}

TEST(AlignedMemoryTest, IsUnmappedWhenDestroyedAndKeptWhenLeaked) {
  const std::byte* freed;
  const std::byte* leaked;
  {
    auto first = AlignedMemory::Allocate(4096);
    auto second = AlignedMemory::Allocate(4096);
    freed = first->data();
    leaked = second->data();
    second->Leak();
  }
  EXPECT_FALSE(IsMapped(freed));
  EXPECT_TRUE(IsMapped(leaked));
  munmap(const_cast<std::byte*>(leaked), 4096);
}

TEST(AlignedMemoryTest, MoveLeavesNothingBehind) {
  auto first = AlignedMemory::Allocate(4096);
  AlignedMemory second = *std::move(first);
  EXPECT_EQ(first->data(), nullptr);
  EXPECT_TRUE(IsMapped(second.data()));
}

TEST(AlignedMemoryTest, ChildNeitherHasItNorUnmapsWhatTookItsPlace) {
  auto memory = AlignedMemory::Allocate(4096);
  std::byte* const place = memory->data();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (IsMapped(place)) _exit(1);
    void* const taken = mmap(place, 4096, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (taken != place) _exit(2);
    *memory = AlignedMemory();
    _exit(IsMapped(place) ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(IsMapped(place));
}

TEST(AlignedMemoryTest, TooMuchIsAnError) {
  const auto memory = AlignedMemory::Allocate(size_t{1} << 46);
  EXPECT_TRUE(absl::IsResourceExhausted(memory.status())) << memory.status();
}

}  // namespace
}  // namespace corewal
