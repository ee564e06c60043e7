// What an opening found in the file of cursors was believed, but a process that was killed may have
// left it unsynced: truncation went by it, and a power loss then brought the state before back,
// with cursors into what was gone.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

struct Process {
  explicit Process(SimDisk& disk) : files(disk) {
    auto created = SimStorageIo::Create(files, {.queue_depth = 12, .buffers = 4});
    CHECK_OK(created.status());
    io = *std::move(created);
    LogWriterOptions options;
    options.directory = kDirectory;
    options.uuid.bytes.fill(std::byte{7});
    options.segment_bytes = 64 << 10;
    options.incarnation_random = 1;
    CHECK_OK(files.CreateDirectories(kDirectory));
    const auto recovered = RecoverLog(files, *io, kDirectory, options.uuid, RecoveryMode::kStrict);
    CHECK_OK(recovered.status());
    auto opened = LogWriter::Open(files, *io, disk.clock(), options, *recovered);
    CHECK_OK(opened.status());
    writer = *std::move(opened);
  }
  ~Process() { writer.reset(); }

  SimFileSystem files;
  std::unique_ptr<StorageIo> io;
  std::unique_ptr<LogWriter> writer;
};

TEST(FoundCursorsTest, WhatAnOpeningFoundIsStillThereAfterAPowerLoss) {
  int changed = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (uint64_t actions = 0; actions < 12; ++actions) {
      SimDisk disk(seed);
      {
        Process first(disk);
        ASSERT_TRUE(first.writer->Append(std::vector<std::byte>(100)).ok());
        ASSERT_TRUE(first.writer->WaitDurable().ok());
        if (seed % 2 == 0) {
          ASSERT_TRUE(first.writer->SetCursor("a", Lsn()).ok());
        }
        disk.CrashAfter(actions, SimCrash::kProcessKill);
        first.writer->SetCursor("a", Lsn(4096)).IgnoreError();
        if (disk.crashes() == 0) disk.Crash(SimCrash::kProcessKill);
      }
      disk.CancelCrash();
      std::vector<LogCursor> found;
      {
        Process second(disk);
        found = second.writer->cursors();
        disk.Crash(SimCrash::kPowerLoss);
      }
      Process third(disk);
      ASSERT_EQ(third.writer->cursors(), found) << "seed " << seed << ", action " << actions;
      if (!found.empty() && found[0].lsn == Lsn(4096)) ++changed;
    }
  }
  EXPECT_GT(changed, 0);
}

// The first cursor's file was made, and its name could not be synced: the call failed, and
// truncation went on as if there were no cursor.
TEST(FoundCursorsTest, FirstCursorThatMayBeThereIsNotTruncatedAway) {
  int failed = 0, found = 0;
  for (uint64_t sync = 1; sync <= 3; ++sync) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      SimDisk disk(seed);
      {
        Process first(disk);
        Lsn last;
        for (int i = 0; i < 30; ++i) {
          const absl::StatusOr<Lsn> lsn = first.writer->Append(std::vector<std::byte>(9'000));
          ASSERT_TRUE(lsn.ok()) << lsn.status();
          last = *lsn;
          ASSERT_TRUE(first.writer->WaitDurable().ok());
          while (first.writer->stats().segments_ready == 0) {
            ASSERT_TRUE(first.writer->Wait(disk.clock().Now() + 1'000'000).ok());
          }
        }
        disk.faults().Set(SimFault::kSyncEio, {.at = {sync}});
        const absl::Status set = first.writer->SetCursor("a", Lsn(4096));
        disk.faults().AllOff();
        if (!set.ok()) ++failed;
        EXPECT_EQ(first.writer->TruncateBefore(last), set);
        disk.Crash(SimCrash::kPowerLoss);
      }
      Process second(disk);
      if (second.writer->cursors().empty()) continue;
      ++found;
      EXPECT_LE(second.writer->oldest(), Lsn(4096)) << "seed " << seed << ", sync " << sync;
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(found, 0);
}

}  // namespace
}  // namespace corewal
