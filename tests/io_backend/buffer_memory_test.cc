// Where buffers are: huge pages, reserved for real or taken away, and memory that comes and goes
// under one address.
#include "io_backend/buffer_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io_backend/storage_io_factory.h"
#include "tests/io_backend/system_setting.h"

namespace corewal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr size_t kPage = 4096;
constexpr size_t kHuge = 2 << 20;
constexpr char kReserved[] = "/proc/sys/vm/nr_hugepages";

// Of the mappings in [address, address + bytes), a line of /proc/self/smaps, summed, in KiB.
uint64_t MappedKib(const std::byte* address, size_t bytes, const std::string& name) {
  std::ifstream in("/proc/self/smaps");
  const auto begin = reinterpret_cast<uintptr_t>(address);
  uint64_t sum = 0;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
      inside = from >= begin && to <= begin + bytes;
    } else if (inside && absl::StartsWith(line, name)) {
      sum += std::stoull(line.substr(line.find(':') + 1));
    }
  }
  return sum;
}

std::unique_ptr<BufferMemory> Make(const BufferMemory::Options& options,
                                   std::vector<std::string>* reasons) {
  auto memory = BufferMemory::Create(options, reasons);
  EXPECT_TRUE(memory.ok()) << memory.status();
  return memory.ok() ? *std::move(memory) : nullptr;
}

TEST(BufferMemoryTest, ComesAndGoesUnderOneAddress) {
  std::vector<std::string> reasons;
  const auto memory = Make({.bytes = 2 * kPage, .bytes_max = 64 * kPage}, &reasons);
  std::byte* const data = memory->data();
  std::memset(data, 'a', 2 * kPage);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(memory->Grow(64 * kPage).ok());
    EXPECT_EQ(memory->data(), data);
    EXPECT_EQ(memory->present(), 64 * kPage);
    EXPECT_EQ(data[2 * kPage], std::byte{0}) << "given back means gone";
    std::memset(data + 2 * kPage, 'b', 62 * kPage);
    memory->Shrink(2 * kPage);
    EXPECT_EQ(memory->present(), 2 * kPage);
    EXPECT_EQ(data[2 * kPage - 1], std::byte{'a'});
  }
  EXPECT_EQ(memory->PagesName(), "ordinary pages");
  EXPECT_THAT(reasons, IsEmpty());
}

TEST(BufferMemoryDeathTest, WhatIsNotPresentCannotBeTouched) {
  std::vector<std::string> reasons;
  const auto memory = Make({.bytes = kPage, .bytes_max = 2 * kPage}, &reasons);
  EXPECT_DEATH(memory->data()[kPage] = std::byte{1}, "");
}

class HugePagesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (setting_.before().empty()) GTEST_SKIP() << "no " << kReserved;
  }
  // So many more than there are; none on failure.
  bool Reserve(int more) {
    return setting_.Set(std::to_string(std::stoi(setting_.before()) + more));
  }

  SystemSetting setting_{kReserved};
  std::vector<std::string> reasons_;
};

TEST_F(HugePagesTest, ReservedPagesAreUsedAndGivenBack) {
  if (!Reserve(4)) GTEST_SKIP() << "cannot reserve huge pages, needs root and free memory";
  const auto memory =
      Make({.bytes = 3 * kPage, .bytes_max = 3 * kHuge, .huge_pages = Want::kAuto}, &reasons_);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->PagesName(), "reserved huge pages of 2048 KiB");
  EXPECT_THAT(reasons_, IsEmpty());
  EXPECT_EQ(memory->present(), kHuge) << "whole pages";
  EXPECT_EQ(MappedKib(memory->data(), 3 * kHuge, "Private_Hugetlb"), kHuge / 1024);
  ASSERT_TRUE(memory->Grow(2 * kHuge + 1).ok());
  EXPECT_EQ(MappedKib(memory->data(), 3 * kHuge, "Private_Hugetlb"), 3 * kHuge / 1024);
  std::memset(memory->data(), 'x', 3 * kHuge);
  memory->Shrink(kHuge);
  EXPECT_EQ(MappedKib(memory->data(), 3 * kHuge, "Private_Hugetlb"), kHuge / 1024);
  EXPECT_EQ(memory->data()[kHuge - 1], std::byte{'x'});
}

TEST_F(HugePagesTest, GrowthBeyondTheReservedPagesIsRefusedAndHarmsNothing) {
  if (!Reserve(2)) GTEST_SKIP() << "cannot reserve huge pages, needs root and free memory";
  const auto memory =
      Make({.bytes = kHuge, .bytes_max = 4096 * kHuge, .huge_pages = Want::kOn}, &reasons_);
  ASSERT_NE(memory, nullptr);
  std::memset(memory->data(), 'x', kHuge);
  const absl::Status grown = memory->Grow(4096 * kHuge);
  EXPECT_TRUE(absl::IsResourceExhausted(grown)) << grown;
  EXPECT_EQ(memory->present(), kHuge);
  EXPECT_EQ(memory->data()[kHuge - 1], std::byte{'x'});
}

TEST_F(HugePagesTest, WithoutReservedPagesTransparentOnesAreUsedAndTheRemedyNamed) {
  if (!Reserve(0)) GTEST_SKIP() << "cannot set " << kReserved;
  const BufferMemory::Options more_than_all = {
      .bytes = kHuge, .bytes_max = kHuge, .huge_pages = Want::kAuto};
  if (setting_.before() != "0") GTEST_SKIP() << "this machine has reserved huge pages";
  const auto memory = Make(more_than_all, &reasons_);
  ASSERT_NE(memory, nullptr);
  EXPECT_THAT(reasons_, Contains(HasSubstr("sysctl vm.nr_hugepages")));
  if (memory->PagesName() == "transparent huge pages") {
    EXPECT_EQ(reasons_.size(), 1u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % kHuge, 0u);
    EXPECT_EQ(MappedKib(memory->data(), kHuge, "AnonHugePages"), kHuge / 1024);
  } else {
    EXPECT_THAT(reasons_, Contains(HasSubstr("transparent_hugepage/enabled")));
  }
  BufferMemory::Options required = more_than_all;
  required.huge_pages = Want::kOn;
  const auto refused = BufferMemory::Create(required, &reasons_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("sysctl vm.nr_hugepages"));
}

TEST_F(HugePagesTest, TransparentPagesSwitchedOffAreToldAndOrdinaryOnesUsed) {
  constexpr char kSwitch[] = "/sys/kernel/mm/transparent_hugepage/enabled";
  SystemSetting transparent(kSwitch);
  if (setting_.before() != "0" || transparent.before().empty()) {
    GTEST_SKIP() << "this machine has reserved huge pages, or none at all";
  }
  if (!transparent.Set("never")) GTEST_SKIP() << "cannot set " << kSwitch;
  const auto memory =
      Make({.bytes = kHuge, .bytes_max = kHuge, .huge_pages = Want::kAuto}, &reasons_);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->PagesName(), "ordinary pages");
  EXPECT_THAT(reasons_, ElementsAre(HasSubstr("sysctl vm.nr_hugepages"),
                                    HasSubstr("transparent_hugepage/enabled is never")));
}

TEST_F(HugePagesTest, StorageSaysWhereItsBuffersAre) {
  if (!Reserve(8)) GTEST_SKIP() << "cannot reserve huge pages, needs root and free memory";
  for (const IoBackend backend : {IoBackend::kPosix, IoBackend::kAuto}) {
    const auto io = CreateStorageIo({.backend = backend,
                                     .buffers = 4,
                                     .buffer_bytes = 1 << 20,
                                     .buffers_max = 8,
                                     .buffers_idle_ms = 0,
                                     .huge_pages = Want::kAuto});
    ASSERT_TRUE(io.ok()) << io.status();
    EXPECT_EQ((*io)->capabilities().buffer_pages, "reserved huge pages of 2048 KiB");
    std::vector<BufferLease> leases;
    for (auto lease = (*io)->AcquireBuffer(); lease.ok(); lease = (*io)->AcquireBuffer()) {
      std::memset(lease->data(), 'x', lease->size());
      leases.push_back(*std::move(lease));
    }
    EXPECT_EQ(leases.size(), 8u);
    leases.clear();
    Completion none[1];
    for (int i = 0; i < 3; ++i) (*io)->Poll(absl::MakeSpan(none));
    EXPECT_EQ((*io)->capabilities().buffers, 4u);
  }
}

}  // namespace
}  // namespace corewal
