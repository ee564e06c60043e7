#include "tests/wal/log_fixture.h"

#include <utility>

#include "base/check.h"
#include "wal/segment_set.h"

namespace corewal {

std::ostream& operator<<(std::ostream& os, const ReadRecord& record) {
  return os << "{" << record.lsn << ", \"" << record.payload.substr(0, 40) << "\" ("
            << record.payload.size() << " bytes)}";
}

LogFixture::LogFixture(IoBackend backend, uint32_t buffer_bytes) {
  StorageIoOptions options;
  options.backend = backend;
  options.buffer_bytes = buffer_bytes;
  absl::StatusOr<std::unique_ptr<StorageIo>> io = CreateStorageIo(options);
  status_ = io.status();
  if (io.ok()) io_ = *std::move(io);
}

ReadLog LogFixture::Read(const LogReaderOptions& options) {
  return Drain(LogReader::Open(FileSystem::Host(), *io_, directory(), options));
}

ReadLog LogFixture::ReadFiles(const std::vector<std::string>& paths,
                              const LogReaderOptions& options) {
  std::vector<SegmentFile> segments;
  for (const std::string& path : paths) {
    absl::StatusOr<SegmentFile> segment = ReadSegmentFile(FileSystem::Host(), *io_, path);
    CHECK_OK(segment.status());
    segments.push_back(*std::move(segment));
  }
  return Drain(LogReader::OpenFiles(FileSystem::Host(), *io_, std::move(segments), options));
}

ReadLog LogFixture::Drain(absl::StatusOr<std::unique_ptr<LogReader>> reader) {
  ReadLog log;
  log.open = reader.status();
  if (!reader.ok()) return log;
  RecordView record;
  while ((*reader)->Next(&record)) log.records.push_back({record.lsn, Text(record.payload)});
  EXPECT_FALSE((*reader)->Next(&record)) << "an ended reader goes on";
  log.end = (*reader)->end();
  log.totals = (*reader)->totals();
  return log;
}

absl::StatusOr<RecoveredLog> LogFixture::Recover(RecoveryMode mode, const LogUuid& uuid) {
  return RecoverLog(FileSystem::Host(), *io_, directory(), uuid, mode);
}

std::string LogFixture::PathOf(uint64_t sequence) const {
  return directory() + "/" + SegmentFileName(sequence);
}

bool LogFixture::BuffersAreHome() {
  std::vector<BufferLease> leases;
  for (uint32_t i = 0; i < io_->capabilities().buffers; ++i) {
    absl::StatusOr<BufferLease> lease = io_->AcquireBuffer();
    if (!lease.ok()) return false;
    leases.push_back(*std::move(lease));
  }
  return true;
}

std::vector<ReadRecord> ExpectedRecords(const LogBuilder& log, size_t count) {
  std::vector<ReadRecord> records;
  for (const LogBuilder::Expected& expected : log.expected()) {
    if (records.size() == count) break;
    records.push_back({expected.lsn, expected.payload});
  }
  return records;
}

}  // namespace corewal
