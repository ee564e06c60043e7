// tests/wal/log_fixture.h: a directory, a storage, and everything that the reader and recovery say
// of what a LogBuilder wrote there.
#ifndef COREWAL_TESTS_WAL_LOG_FIXTURE_H_
#define COREWAL_TESTS_WAL_LOG_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "io_backend/storage_io_factory.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"

namespace corewal {

struct ReadRecord {
  Lsn lsn;
  std::string payload;
  friend bool operator==(const ReadRecord&, const ReadRecord&) = default;
};
std::ostream& operator<<(std::ostream& os, const ReadRecord& record);

struct ReadLog {
  absl::Status open;  // the rest is empty unless OK
  std::vector<ReadRecord> records;
  LogEndReport end;
  LogReader::Totals totals;
};

class LogFixture {
 public:
  // Small buffers by default, so that batches straddle them.
  explicit LogFixture(IoBackend backend = IoBackend::kPosix, uint32_t buffer_bytes = 16 << 10);

  const std::string& directory() const { return directory_.path(); }
  StorageIo& io() { return *io_; }
  // Not OK: this backend cannot be had here.
  const absl::Status& status() const { return status_; }

  ReadLog Read(const LogReaderOptions& options = {});
  ReadLog ReadFiles(const std::vector<std::string>& paths, const LogReaderOptions& options = {});
  absl::StatusOr<RecoveredLog> Recover(RecoveryMode mode = RecoveryMode::kStrict,
                                       const LogUuid& uuid = {});
  std::string PathOf(uint64_t sequence) const;
  // Every buffer has come home.
  bool BuffersAreHome();

 private:
  ReadLog Drain(absl::StatusOr<std::unique_ptr<LogReader>> reader);

  TempDirectory directory_;
  absl::Status status_;
  std::unique_ptr<StorageIo> io_;
};

// `log.expected()` up to `count` records, as the reader gives them.
std::vector<ReadRecord> ExpectedRecords(const LogBuilder& log, size_t count = SIZE_MAX);

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_LOG_FIXTURE_H_
