#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/fuzz/hostile_log.h"
#include "tests/fuzz/targets.h"
#include "wal/log_reader.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

// What a reader hands out ascends, and is no more than the files hold.
void ReadAll(SimFileSystem& files, StorageIo& io, uint64_t bytes_max) {
  auto reader = LogReader::Open(files, io, kDirectory, {.direct = DirectMode::kOff});
  if (!reader.ok()) return;
  RecordView record;
  Lsn last;
  uint64_t bytes = 0;
  while ((*reader)->Next(&record)) {
    CHECK(last == Lsn() || record.lsn > last) << record.lsn << " after " << last;
    last = record.lsn;
    bytes += record.payload.size();
    CHECK_LE(bytes, bytes_max);
  }
}

// Whatever recovery makes of it, a writer goes on behind it or says why not.
void GoOn(SimDisk& disk, SimFileSystem& files, StorageIo& io) {
  const auto recovered = RecoverLog(files, io, kDirectory, LogUuid(), RecoveryMode::kStopAtDamage);
  if (!recovered.ok()) return;
  LogWriterOptions options;
  options.directory = kDirectory;
  options.uuid.bytes.fill(std::byte{7});
  if (!recovered->live.empty()) options.uuid = recovered->live.front().header.uuid;
  options.direct = DirectMode::kOff;
  options.segment_bytes = 64 << 10;
  options.incarnation_random = 1;
  auto writer = LogWriter::Open(files, io, disk.clock(), options, *recovered);
  if (!writer.ok()) return;
  const std::string payload = "the log goes on";
  const auto bytes =
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(payload.data()), payload.size());
  const absl::StatusOr<Lsn> lsn = (*writer)->Append(bytes);
  if (!lsn.ok()) return;
  CHECK_GE(*lsn, recovered->end.lsn);
  (*writer)->Close().IgnoreError();
}

}  // namespace

void FuzzLog(FuzzInput input) {
  const HostileLog log = HostileLog::Parse(input);
  SimDisk disk(1);
  SimFileSystem files(disk);
  CHECK_OK(files.CreateDirectories(kDirectory));
  uint64_t bytes = 0;
  for (const auto& [sequence, content] : log.files) {
    CHECK_OK(
        files.WriteSmallFile(absl::StrCat(kDirectory, "/", SegmentFileName(sequence)), content));
    bytes += content.size();
  }
  auto io =
      SimStorageIo::Create(files, {.queue_depth = 16, .buffers = 5, .buffer_bytes = 16 << 10});
  CHECK_OK(io.status());
  ReadAll(files, **io, bytes);
  RecoverLog(files, **io, kDirectory, LogUuid(), RecoveryMode::kStrict).status().IgnoreError();
  GoOn(disk, files, **io);
}

}  // namespace corewal
