// The simulated disk: that it is deterministic, and that it keeps no more than was promised at a
// power loss and no less. Its faults are in sim_fault_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/asan_poison.h"
#include "tests/io_backend/sim_machine.h"

namespace corewal {
namespace {

// ---- Determinism

struct RunResult {
  std::vector<uint64_t> order;  // tags, as completed
  std::string image;
  std::string trace;
  MonotonicNs end = 0;
  friend bool operator==(const RunResult&, const RunResult&) = default;
};

RunResult RunEverything(uint64_t seed) {
  Machine machine(seed);
  RunResult result;
  for (size_t i = 0; i < kSimFaults; ++i) {
    const auto fault = static_cast<SimFault>(i);
    if (fault != SimFault::kStuck) machine.disk().faults().Set(fault, {.per_million = 20'000});
  }
  for (int life = 0; life < 3; ++life) {
    auto opened =
        machine.files().Open(absl::StrCat("/d/", life), {.access = OpenOptions::Access::kCreate});
    if (!opened.ok()) continue;  // ENOSPC struck
    const FileHandle file = machine.Register(*std::move(opened));
    machine.files().SyncDirectory("/d").IgnoreError();
    for (uint64_t round = 0; round < 10; ++round) {
      for (uint64_t i = 0; i < 8; ++i) machine.Stage(file, i * kBlock, static_cast<char>(round));
      machine.StageSync(file);
      for (int i = 0; i < 9 - life; ++i) result.order.push_back(machine.One().tag);
      if (life > 0 && round == 7) break;
    }
    machine.Crash(life == 1 ? SimCrash::kProcessKill : SimCrash::kPowerLoss);
  }
  result.image = machine.disk().DurableImage();
  result.trace = machine.disk().trace().ToString();
  result.end = machine.disk().clock().Now();
  return result;
}

TEST(SimDeterminismTest, SameSeedGivesTheSameBytesOrderAndTime) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_TRUE(RunEverything(seed) == RunEverything(seed)) << "seed " << seed;
  }
}

TEST(SimDeterminismTest, OtherSeedsDiffer) {
  std::set<std::vector<uint64_t>> orders;
  std::set<std::string> images;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const RunResult result = RunEverything(seed);
    orders.insert(result.order);
    images.insert(result.image);
  }
  EXPECT_EQ(orders.size(), 10u);
  EXPECT_EQ(images.size(), 10u);
}

TEST(SimTest, WritesCompleteInAnyOrderAndTakeSimulatedTime) {
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.Create("/d/a");
    const MonotonicNs before = machine.disk().clock().Now();
    for (uint64_t i = 0; i < 3; ++i) machine.Stage(file, i * kBlock, 'x');
    std::vector<uint64_t> order;
    order.reserve(3);
    for (int i = 0; i < 3; ++i) order.push_back(machine.One().tag);
    EXPECT_GT(machine.disk().clock().Now(), before);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6u) << "every order of three";
}

TEST(SimTest, SleepingLetsCompletionsArrive) {
  Machine machine(1);
  machine.Stage(machine.Create("/d/a"), 0, 'x');
  ASSERT_TRUE(machine.io().Submit().ok());
  const MonotonicNs when = machine.disk().clock().Now() + 1'000'000'000;
  machine.disk().clock().SleepUntil(when);
  EXPECT_EQ(machine.disk().clock().Now(), when);
  Completion out[1];
  EXPECT_EQ(machine.io().Poll(absl::MakeSpan(out)), 1u);
  EXPECT_EQ(machine.disk().clock().Now(), when);
}

TEST(SimTest, WaitEndsAtItsDeadline) {
  Machine machine(1, {.transfer = {1'000'000, 1'000'000}});
  machine.Stage(machine.Create("/d/a"), 0, 'x');
  const MonotonicNs deadline = machine.disk().clock().Now() + 1000;
  ASSERT_TRUE(machine.io().Wait(1, deadline).ok());
  EXPECT_EQ(machine.disk().clock().Now(), deadline);
  Completion out[1];
  EXPECT_EQ(machine.io().Poll(absl::MakeSpan(out)), 0u);
}

TEST(SimTest, BufferTouchedBeforeItsCompletionChangesTheFile) {
  Machine machine(1);
  const FileHandle file = machine.Create("/d/a");
  auto lease = machine.io().AcquireBuffer();
  std::byte* const data = lease->data();
  std::fill_n(data, kBlock, std::byte{'x'});
  ASSERT_TRUE(machine.io().Write({.file = file, .length = kBlock}, *std::move(lease)).ok());
  ASSERT_TRUE(machine.io().Submit().ok());
#ifndef COREWAL_ASAN  // which would report the next line
  data[7] = std::byte{'!'};
  EXPECT_EQ(machine.One().error, 0);
  EXPECT_EQ(machine.Content("/d/a")[7], '!');
#endif
}

// ---- Power loss: R1

TEST(SimCrashTest, WhatWasSyncedSurvivesEveryPowerLoss) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 2);
    EXPECT_EQ(machine.Write(file, 0, 'p'), 0);
    EXPECT_EQ(machine.Sync(file), 0);
    EXPECT_EQ(machine.Write(file, kBlock, 'd', WriteMode::kDsync), 0);
    EXPECT_EQ(machine.disk().UnsyncedSectors("/d/a"), 0u);
    machine.Crash();
    EXPECT_EQ(machine.Content("/d/a"), Blocks("pd")) << "seed " << seed;
  }
}

TEST(SimCrashTest, WriteWithoutSyncMayBeLostOrKept) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    EXPECT_EQ(machine.Write(file, 0, 'x'), 0);
    machine.Crash();
    seen.insert(machine.Content("/d/a"));
  }
  EXPECT_EQ(seen.count(Blocks(std::string(1, '\0'))), 1u);
  EXPECT_EQ(seen.count(Blocks("x")), 1u);
}

// Whether a block that was written without sync survived, after `steps` and a power loss.
template <typename Steps>
std::set<bool> SurvivalOver(uint64_t seeds, Steps steps) {
  std::set<bool> outcomes;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    steps(machine, file);
    machine.Crash();
    outcomes.insert(machine.Content("/d/a") == Blocks("x"));
  }
  return outcomes;
}

TEST(SimCrashTest, SyncCoversWhatWasPolledBeforeItWasStaged) {
  const auto outcomes = SurvivalOver(kSeeds, [](Machine& machine, FileHandle file) {
    machine.Stage(file, 0, 'x');
    machine.One();
    machine.StageSync(file);
    machine.One();
  });
  EXPECT_EQ(outcomes, std::set<bool>{true});
}

TEST(SimCrashTest, SyncDoesNotCoverAWriteInFlight) {
  const auto outcomes = SurvivalOver(kSeeds, [](Machine& machine, FileHandle file) {
    machine.Stage(file, 0, 'x');
    machine.StageSync(file);
    machine.One();
    machine.One();
  });
  EXPECT_EQ(outcomes, (std::set<bool>{false, true}));
}

TEST(SimCrashTest, SyncDoesNotCoverAWriteThatWasCompleteButNotPolled) {
  const auto outcomes = SurvivalOver(kSeeds, [](Machine& machine, FileHandle file) {
    machine.Stage(file, 0, 'x');
    ASSERT_TRUE(machine.io().Wait(1, kNever).ok());
    machine.StageSync(file);
    machine.One();
    machine.One();
  });
  EXPECT_EQ(outcomes, (std::set<bool>{false, true}));
}

TEST(SimCrashTest, SyncThatWasStagedBeforeThePollDoesNotCoverThoughSubmittedAfter) {
  const auto outcomes = SurvivalOver(kSeeds, [](Machine& machine, FileHandle file) {
    machine.Stage(file, 0, 'x');
    ASSERT_TRUE(machine.io().Wait(1, kNever).ok());
    machine.StageSync(file);
    Completion out[1];
    ASSERT_EQ(machine.io().Poll(absl::MakeSpan(out)), 1u);
    machine.One();
  });
  EXPECT_EQ(outcomes, (std::set<bool>{false, true}));
}

TEST(SimCrashTest, SyncInFlightPromisesNothing) {
  const auto outcomes = SurvivalOver(kSeeds, [](Machine& machine, FileHandle file) {
    machine.Stage(file, 0, 'x');
    machine.One();
    machine.StageSync(file);
    ASSERT_TRUE(machine.io().Submit().ok());
  });
  EXPECT_EQ(outcomes, (std::set<bool>{false, true}));
}

TEST(SimCrashTest, SizeIsVolatileUntilSynced) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    ASSERT_TRUE(machine.io().Preallocate({.file = file, .length = 4 * kBlock}).ok());
    EXPECT_EQ(machine.One().error, 0);
    const bool synced = seed % 2 == 0;
    if (synced) {
      EXPECT_EQ(machine.Sync(file), 0);
    }
    machine.Crash();
    const size_t size = machine.Content("/d/a").size();
    if (synced) {
      EXPECT_EQ(size, 4 * kBlock);
    }
    sizes.insert(size);
  }
  EXPECT_EQ(sizes, (std::set<size_t>{kBlock, 4 * kBlock}));
}

TEST(SimCrashTest, TearsBetweenSectorsButNotInsideThem) {
  bool torn_inside_a_block = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.CreateDurable("/d/a", 1);
    machine.Stage(file, 0, 'x');
    ASSERT_TRUE(machine.io().Submit().ok());
    if (seed % 2 == 0) {
      EXPECT_EQ(machine.One().error, 0);  // else it is in flight
    }
    machine.Crash();
    const std::string content = machine.Content("/d/a");
    uint64_t kept = 0;
    for (uint64_t at = 0; at < content.size(); at += kSector) {
      const std::string sector = content.substr(at, kSector);
      EXPECT_EQ(sector, std::string(kSector, sector[0])) << "seed " << seed << " at " << at;
      if (sector[0] == 'x') ++kept;
    }
    torn_inside_a_block |= kept > 0 && kept < kBlock / kSector;
  }
  EXPECT_TRUE(torn_inside_a_block);
}

TEST(SimCrashTest, ProcessKillKeepsWhatCompletedAndAnyOfWhatWasInFlight) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    const FileHandle file = machine.Create("/d/a");
    EXPECT_EQ(machine.Write(file, 0, 'c'), 0);
    machine.Stage(file, kBlock, 'f');
    ASSERT_TRUE(machine.io().Submit().ok());
    machine.Crash(SimCrash::kProcessKill);
    seen.insert(machine.Content("/d/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{Blocks("c"), Blocks("cf")}));
}

TEST(SimCrashTest, WhatLivedThroughACrashIsDead) {
  Machine machine(1);
  const FileHandle file = machine.Create("/d/a");
  auto directory = machine.files().OpenDirectory("/d");
  ASSERT_TRUE(directory.ok());
  auto lock = machine.files().Lock("/d/LOCK");
  ASSERT_TRUE(lock.ok());
  machine.Stage(file, 0, 'x');
  ASSERT_TRUE(machine.io().Submit().ok());
  machine.StageSync(file);  // not submitted yet
  machine.disk().Crash(SimCrash::kPowerLoss);
  EXPECT_EQ(machine.One().error, EIO) << "each accepted operation completes once";
  EXPECT_EQ(machine.One().error, EIO);
  EXPECT_EQ(machine.Write(file, 0, 'y'), EIO);
  EXPECT_TRUE(machine.io().UnregisterFile(file).ok());
  EXPECT_FALSE(machine.files().List("/d").ok());
  EXPECT_FALSE(machine.files().Open("/d/a", {}).ok());
  SimFileSystem reborn(machine.disk());
  EXPECT_TRUE(reborn.Lock("/d/LOCK").ok()) << "the crash has released it";
}

TEST(SimCrashTest, CrashCanBeAskedForAtAnyAction) {
  for (uint64_t actions = 0; actions < 12; ++actions) {
    Machine machine(actions);
    machine.disk().CrashAfter(actions, SimCrash::kPowerLoss);
    const uint64_t before = machine.disk().actions();
    while (machine.disk().crashes() == 0) {
      machine.files().WriteSmallFile("/d/small", "content").IgnoreError();
    }
    EXPECT_EQ(machine.disk().actions(), before + actions + 1);
    machine.Boot();
    const std::vector<std::string> names = machine.Names();
    if (std::count(names.begin(), names.end(), "small") > 0) {
      EXPECT_EQ(machine.Content("/d/small"), "content") << "whole or not at all";
    }
  }
}

// ---- Directory entries

TEST(SimDirectoryTest, CreatedNameIsLostOrKeptUntilTheDirectoryIsSynced) {
  for (const bool by_storage : {false, true}) {
    for (const bool synced : {false, true}) {
      std::set<size_t> counts;
      for (uint64_t seed = 0; seed < kSeeds; ++seed) {
        Machine machine(seed);
        const FileHandle file = machine.Create("/d/a");
        EXPECT_EQ(machine.Write(file, 0, 'x', WriteMode::kDsync), 0);
        if (synced && by_storage) {
          const FileHandle directory = machine.Register(*machine.files().OpenDirectory("/d"));
          EXPECT_EQ(machine.Sync(directory, SyncMode::kFull), 0);
        } else if (synced) {
          EXPECT_TRUE(machine.files().SyncDirectory("/d").ok());
        }
        machine.Crash();
        counts.insert(machine.Names().size());
      }
      EXPECT_EQ(counts, synced ? std::set<size_t>{1} : (std::set<size_t>{0, 1}));
    }
  }
}

TEST(SimDirectoryTest, RenameIsAtomicAndInOrderPerName) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 4 * kSeeds; ++seed) {
    Machine machine(seed);
    machine.CreateDurable("/d/a", 1);
    machine.CreateDurable("/d/z", 1);
    ASSERT_TRUE(machine.files().Rename("/d/a", "/d/b").ok());
    ASSERT_TRUE(machine.files().Rename("/d/b", "/d/c").ok());
    ASSERT_TRUE(machine.files().Remove("/d/z").ok());
    machine.Crash();
    seen.insert(machine.Names());
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(seen, (std::set<Names>{Names{"a"}, Names{"b"}, Names{"c"}, Names{"a", "z"},
                                   Names{"b", "z"}, Names{"c", "z"}}));
}

TEST(SimDirectoryTest, SyncTakesWhatANameWentThroughInAnotherDirectory) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    Machine machine(seed);
    ASSERT_TRUE(machine.files().CreateDirectories("/e").ok());
    machine.Create("/d/a");
    ASSERT_TRUE(machine.files().Rename("/d/a", "/e/a").ok());
    ASSERT_TRUE(machine.files().SyncDirectory("/e").ok());
    machine.Crash();
    EXPECT_TRUE(machine.files().Open("/e/a", {}).ok()) << "seed " << seed;
    EXPECT_EQ(machine.Names().size(), 0u);
  }
}

TEST(SimDirectoryTest, FileSystemRefusesAsTheHostDoes) {
  Machine machine(1);
  SimFileSystem& files = machine.files();
  machine.Create("/d/a");
  machine.Create("/d/b");
  EXPECT_TRUE(absl::IsNotFound(files.Open("/d/none", {}).status()));
  EXPECT_TRUE(absl::IsNotFound(files.Open("/none/a", {}).status()));
  EXPECT_TRUE(
      absl::IsAlreadyExists(files.Open("/d/a", {.access = OpenOptions::Access::kCreate}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(files.Open("/d", {}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(files.List("/d/a").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(files.CreateDirectories("/d/a/c")));
  EXPECT_TRUE(absl::IsAlreadyExists(files.Rename("/d/a", "/d/b")));
  EXPECT_TRUE(absl::IsNotFound(files.Remove("/d/none")));
  ASSERT_TRUE(files.WriteSmallFile("/d/small", "four").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(files.ReadSmallFile("/d/small", 3).status()));
  const auto lock = files.Lock("/d/LOCK");
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(absl::IsUnavailable(files.Lock("/d/LOCK").status()));
}

}  // namespace
}  // namespace corewal
