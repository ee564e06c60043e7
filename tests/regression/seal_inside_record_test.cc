// A writer whose device was slow took itself for idle while it appended a record in pieces, and put
// a seal between two of them. If the power failed before the next piece was durable, recovery found
// a sealed log that ends inside a record, called that damage, and refused to open it.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/types/span.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

// One process on `disk` that opens the log and appends a record of many pieces.
absl::Status OpenAndAppend(SimDisk& disk, uint64_t payload_bytes) {
  SimFileSystem files(disk);
  absl::Status made = files.CreateDirectories(kDirectory);
  if (!made.ok()) return made;
  const StorageIoOptions small = {.buffers = 3, .buffer_bytes = 16 << 10};
  auto io = SimStorageIo::Create(files, small);
  if (!io.ok()) return io.status();
  const auto recovered = RecoverLog(files, **io, kDirectory, {}, RecoveryMode::kStrict);
  if (!recovered.ok()) return recovered.status();
  LogUuid uuid;
  uuid.bytes.fill(std::byte{7});
  const LogWriterOptions options = {.directory = kDirectory,
                                    .uuid = uuid,
                                    .sync_method = SyncMethod::kDsync,
                                    .segment_bytes = 64 << 10,
                                    .segments_first = 4,
                                    .seal_after_us = 500};
  auto writer = LogWriter::Open(files, **io, disk.clock(), options, *recovered);
  if (!writer.ok()) return writer.status();
  const std::string payload(payload_bytes, 'p');
  const auto bytes =
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(payload.data()), payload.size());
  for (;;) {
    const absl::Status appended = (*writer)->Append(bytes).status();
    if (appended.ok()) return (*writer)->WaitDurable();
    if (files.crashed() || !absl::IsResourceExhausted(appended)) return appended;
    absl::Status waited = (*writer)->Wait(disk.clock().Now() + 1'000'000'000);
    if (!waited.ok()) return waited;
  }
}

TEST(SealInsideRecordTest, PowerLossAnywhereInALargeRecordIsNoDamage) {
  // Some writes are so late that the log is idle for long once they are there.
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimDisk disk(seed);
    disk.faults().Set(SimFault::kLateCompletion, {.per_million = 200'000});
    disk.CrashAfter(seed % 120, SimCrash::kPowerLoss);
    const absl::Status first = OpenAndAppend(disk, 100'000);
    ASSERT_TRUE(first.ok() || disk.crashes() > 0) << first;
    disk.CancelCrash();
    const absl::Status second = OpenAndAppend(disk, 10);
    ASSERT_TRUE(second.ok()) << second << "\nseed " << seed << ":\n" << disk.trace().ToString();
  }
}

}  // namespace
}  // namespace corewal
