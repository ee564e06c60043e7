// The faults of the simulated disk: each does what its name says, and nothing else. Capacity, and
// the trace that is printed when a simulation fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/sim_machine.h"

namespace corewal {
namespace {

// ---- Faults, by name

class SimFaultTest : public testing::Test {
 protected:
  void Script(SimFault fault, std::set<uint64_t> at) {
    machine_.disk().faults().Set(fault, {.at = std::move(at)});
  }
  uint64_t strikes(SimFault fault) { return machine_.disk().faults().strikes(fault); }

  Machine machine_{1};
};

TEST_F(SimFaultTest, ShortWriteIsResolvedInside) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kShortWrite, {1, 2, 3});
  machine_.Stage(file, 0, 'x', WriteMode::kPlain, 4 * kBlock);
  const Completion written = machine_.One();
  EXPECT_EQ(written.error, 0);
  EXPECT_EQ(written.bytes, 4 * kBlock);
  EXPECT_EQ(machine_.io().stats().short_transfers, 3u);
  EXPECT_EQ(machine_.Content("/d/a"), Blocks("xxxx"));
}

TEST_F(SimFaultTest, ShortWriteOfSeveralBuffersIsResolvedInside) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kShortWrite, {1, 2, 3});
  std::vector<WritePiece> pieces(3);
  for (size_t i = 0; i < 3; ++i) {
    pieces[i] = {.buffer = *machine_.io().AcquireBuffer(), .length = 3 * kBlock};
    std::fill_n(pieces[i].buffer.data(), 3 * kBlock, static_cast<std::byte>('a' + i));
  }
  ASSERT_TRUE(machine_.io().WriteGather({.file = file}, absl::MakeSpan(pieces)).ok());
  const Completion written = machine_.One();
  EXPECT_EQ(written.error, 0);
  EXPECT_EQ(written.bytes, 9 * kBlock);
  EXPECT_EQ(machine_.io().stats().short_transfers, 3u);
  EXPECT_EQ(machine_.Content("/d/a"), Blocks("aaabbbccc"));
}

TEST_F(SimFaultTest, WriteThatStaysShortIsAnError) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kShortForGood, {1});
  machine_.Stage(file, 0, 'x', WriteMode::kPlain, 4 * kBlock);
  const Completion written = machine_.One();
  EXPECT_EQ(written.error, EIO);
  EXPECT_LT(written.bytes, 4 * kBlock);
  EXPECT_EQ(machine_.Write(file, 0, 'y'), 0) << "the next is not struck";
}

TEST_F(SimFaultTest, WriteEioFailsThatWriteOnly) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kWriteEio, {2});
  EXPECT_EQ(machine_.Write(file, 0, 'x'), 0);
  EXPECT_EQ(machine_.Write(file, 0, 'y'), EIO);
  EXPECT_EQ(machine_.Write(file, 0, 'z'), 0);
  EXPECT_EQ(strikes(SimFault::kWriteEio), 1u);
}

TEST_F(SimFaultTest, ReadEioFailsThatReadOnly) {
  const FileHandle file = machine_.Create("/d/a");
  EXPECT_EQ(machine_.Write(file, 0, 'x'), 0);
  Script(SimFault::kReadEio, {1});
  for (const int expected : {EIO, 0}) {
    ASSERT_TRUE(
        machine_.io().Read({.file = file, .length = kBlock}, *machine_.io().AcquireBuffer()).ok());
    EXPECT_EQ(machine_.One().error, expected);
  }
}

TEST(SimFsyncgateTest, AfterAFailedSyncTheNextSucceedsAndTheDataIsGone) {
  std::set<bool> outcomes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    EXPECT_EQ(machine.Write(file, 0, 'x'), 0);
    machine.disk().faults().Set(SimFault::kSyncEio, {.at = {1}});
    EXPECT_EQ(machine.Sync(file), EIO);
    EXPECT_EQ(machine.Sync(file), 0) << "the lie";
    EXPECT_EQ(machine.Content("/d/a"), Blocks("x")) << "the page cache still shows it";
    machine.Crash();
    outcomes.insert(machine.Content("/d/a") == Blocks("x"));
  }
  EXPECT_EQ(outcomes.count(false), 1u);
}

TEST_F(SimFaultTest, LateCompletionComesLate) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kLateCompletion, {1});
  machine_.Stage(file, 0, 'l');
  for (uint64_t i = 1; i < 4; ++i) machine_.Stage(file, i * kBlock, 'x');
  for (int i = 0; i < 3; ++i) EXPECT_NE(machine_.One().tag, 0u);
  EXPECT_EQ(machine_.One().tag, 0u);
}

TEST_F(SimFaultTest, ReorderOvertakesWhatWasSubmittedBefore) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kReorder, {4});
  for (uint64_t i = 0; i < 4; ++i) machine_.Stage(file, i * kBlock, 'x');
  EXPECT_EQ(machine_.One().tag, 3 * kBlock);
}

TEST(SimLyingDeviceTest, SyncAndDsyncWriteSucceedAndNothingIsDurable) {
  for (const WriteMode mode : {WriteMode::kPlain, WriteMode::kDsync}) {
    std::set<bool> kept;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      Machine machine(seed);
      const FileHandle file = machine.CreateDurable("/d/a", 1);
      machine.disk().faults().Set(SimFault::kLyingSync, {.at = {1}});
      machine.Stage(file, 0, 'x', mode);
      EXPECT_EQ(machine.One().error, 0);
      const bool needs_sync = mode == WriteMode::kPlain;
      EXPECT_EQ(needs_sync ? machine.Sync(file) : 0, 0);
      EXPECT_EQ(machine.disk().faults().strikes(SimFault::kLyingSync), 1u);
      machine.Crash();
      kept.insert(machine.Content("/d/a") == Blocks("x"));
    }
    EXPECT_EQ(kept.count(false), 1u);
  }
}

TEST(SimDirectoryTest, LostDirectoryEntryWasSyncedByItsWord) {
  std::set<size_t> counts;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    machine.Create("/d/a");
    machine.disk().faults().Set(SimFault::kLostDirectoryEntry, {.at = {1}});
    EXPECT_TRUE(machine.files().SyncDirectory("/d").ok());
    machine.Crash();
    counts.insert(machine.Names().size());
  }
  EXPECT_EQ(counts, (std::set<size_t>{0, 1}));
}

TEST_F(SimFaultTest, MisdirectedWriteLandsInAnotherBlock) {
  const FileHandle file = machine_.CreateDurable("/d/a", 64);
  Script(SimFault::kMisdirectedWrite, {1});
  EXPECT_EQ(machine_.Write(file, 5 * kBlock, 'x'), 0);
  const std::string content = machine_.Content("/d/a");
  EXPECT_EQ(std::count(content.begin(), content.end(), 'x'), kBlock);
  EXPECT_EQ(content[5 * kBlock], '\0');
}

TEST_F(SimFaultTest, BitRotFlipsOneDurableBit) {
  const FileHandle file = machine_.Create("/d/a");
  ASSERT_TRUE(machine_.files().SyncDirectory("/d").ok());
  EXPECT_EQ(machine_.Write(file, 0, '\0'), 0);
  Script(SimFault::kBitRot, {1});
  EXPECT_EQ(machine_.Sync(file), 0);
  int bits = 0;
  for (const char c : machine_.Content("/d/a")) {
    bits += __builtin_popcount(static_cast<unsigned char>(c));
  }
  EXPECT_EQ(bits, 1);
}

TEST(SimCrashTest, TornSectorIsPartNewPartOld) {
  bool torn = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    machine.disk().faults().Set(SimFault::kTornSector, {.per_million = SeededRandom::kMillion});
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    EXPECT_EQ(machine.Write(file, 0, 'x'), 0);
    machine.Crash();
    const std::string sector = machine.Content("/d/a").substr(0, kSector);
    torn |= sector.front() == 'x' && sector.back() == '\0';
  }
  EXPECT_TRUE(torn);
}

TEST_F(SimFaultTest, StuckOperationCompletesWhenReleased) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kStuck, {1});
  machine_.Stage(file, 0, 's');
  machine_.Stage(file, kBlock, 'x');
  EXPECT_EQ(machine_.One().tag, kBlock);
  const MonotonicNs deadline = machine_.disk().clock().Now() + 1'000'000'000;
  EXPECT_TRUE(machine_.io().Wait(1, deadline).ok());
  EXPECT_EQ(machine_.disk().clock().Now(), deadline);
  EXPECT_TRUE(absl::IsDeadlineExceeded(machine_.io().Wait(1, kNever))) << "rather than hang";
  EXPECT_TRUE(absl::IsDeadlineExceeded(machine_.io().UnregisterFile(file)));
  machine_.disk().ReleaseStuck();
  EXPECT_EQ(machine_.One().error, 0);
}

TEST_F(SimFaultTest, StorageWithAStuckOperationCanBeDestroyed) {
  const FileHandle file = machine_.Create("/d/a");
  Script(SimFault::kStuck, {1});
  machine_.Stage(file, 0, 's');
  ASSERT_TRUE(machine_.io().Submit().ok());
  machine_.Boot();
  machine_.disk().ReleaseStuck();
  EXPECT_EQ(machine_.Content("/d/a"), "");
}

TEST(SimFaultsTest, ProbabilityIsHonoured) {
  SimFaults faults;
  SeededRandom random(1);
  faults.Set(SimFault::kWriteEio, {.per_million = 250'000});
  for (int i = 0; i < 10'000; ++i) faults.Strike(SimFault::kWriteEio, random);
  EXPECT_NEAR(static_cast<double>(faults.strikes(SimFault::kWriteEio)), 2500, 200);
  faults.AllOff();
  EXPECT_FALSE(faults.Strike(SimFault::kWriteEio, random));
}

TEST(SimFaultsTest, EveryFaultHasItsOwnName) {
  std::set<std::string> names;
  for (size_t i = 0; i < kSimFaults; ++i) {
    names.emplace(SimFaultName(static_cast<SimFault>(i)));
  }
  EXPECT_EQ(names.size(), kSimFaults);
  EXPECT_EQ(names.count("unknown"), 0u);
}

// ---- Capacity

TEST(SimCapacityTest, FullDiskIsAnErrorAndSpaceReturns) {
  Machine machine(1, {.capacity_bytes = 4 * kBlock});
  const FileHandle a = machine.CreateDurable("/d/a", 2);
  const FileHandle b = machine.Create("/d/b");
  machine.Stage(b, 0, 'x', WriteMode::kPlain, 4 * kBlock);
  const Completion partial = machine.One();
  EXPECT_EQ(partial.error, ENOSPC);
  EXPECT_EQ(partial.bytes, 2 * kBlock) << "what fits is written";
  EXPECT_EQ(*machine.files().FreeBytes("/d"), 0u);
  ASSERT_TRUE(machine.io().Preallocate({.file = b, .length = 3 * kBlock}).ok());
  EXPECT_EQ(machine.One().error, ENOSPC);
  EXPECT_EQ(machine.Write(a, 0, 'y'), 0) << "blocks that it has can be written";
  EXPECT_TRUE(absl::IsResourceExhausted(machine.files().WriteSmallFile("/d/small", "content")));
  EXPECT_EQ(machine.Names(), (std::vector<std::string>{"a", "b"}));

  ASSERT_TRUE(machine.io().UnregisterFile(a).ok());
  ASSERT_TRUE(machine.files().Remove("/d/a").ok());
  EXPECT_EQ(*machine.files().FreeBytes("/d"), 0u) << "a power loss may bring it back";
  ASSERT_TRUE(machine.files().SyncDirectory("/d").ok());
  EXPECT_EQ(*machine.files().FreeBytes("/d"), 2 * kBlock);
  EXPECT_EQ(machine.Write(b, 2 * kBlock, 'z'), 0);
}

TEST(SimCapacityTest, ScriptedEnospcAndResume) {
  Machine machine(1);
  const FileHandle file = machine.Create("/d/a");
  machine.disk().faults().Set(SimFault::kEnospc, {.at = {1, 3}});
  EXPECT_EQ(machine.Write(file, 0, 'x'), ENOSPC);
  EXPECT_EQ(machine.Write(file, 0, 'x'), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(
      machine.files().Open("/d/b", {.access = OpenOptions::Access::kCreate}).status()));
  EXPECT_EQ(machine.Write(file, 0, 'x'), 0);
}

TEST(SimCapacityTest, ResizeGivesBlocksBackAndReadsZerosAfterGrowing) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed, {.capacity_bytes = 4 * kBlock});
    const FileHandle file = machine.CreateDurable("/d/a", 0);
    for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(machine.Write(file, i * kBlock, 'x'), 0);
    ASSERT_TRUE(machine.files().Resize("/d/a", kBlock + 100).ok());
    EXPECT_EQ(*machine.files().FreeBytes("/d"), 2 * kBlock);
    ASSERT_TRUE(machine.files().Resize("/d/a", 2 * kBlock).ok());
    const std::string expected = Blocks("x") + std::string(100, 'x') + std::string(kBlock - 100, 0);
    EXPECT_EQ(machine.Content("/d/a"), expected);
    machine.Crash();
    EXPECT_EQ(machine.Content("/d/a"), expected) << "seed " << seed;
  }
}

TEST(SimCapacityTest, PowerLossLosesNoSpace) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed, {.capacity_bytes = 16 * kBlock});
    for (const char* const path : {"/d/a", "/d/b"}) {
      const FileHandle file = machine.Create(path);
      for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(machine.Write(file, i * kBlock, 'x'), 0);
    }
    machine.Crash();
    for (const std::string& name : machine.Names()) {
      ASSERT_TRUE(machine.files().Remove(absl::StrCat("/d/", name)).ok());
    }
    ASSERT_TRUE(machine.files().SyncDirectory("/d").ok());
    EXPECT_EQ(machine.disk().free_bytes(), 16 * kBlock) << "seed " << seed;
  }
}

// ---- Trace

TEST(SimTraceTest, KeepsTheLastFifty) {
  SimTrace trace;
  for (int i = 1; i <= 60; ++i) trace.Add(absl::StrCat("action ", i));
  EXPECT_THAT(trace.ToString(), testing::StartsWith("11  action 11\n"));
  EXPECT_THAT(trace.ToString(), testing::EndsWith("\n60  action 60\n"));
}

}  // namespace
}  // namespace corewal
