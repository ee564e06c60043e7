// tests/regression/writer_fixture.h: a LogWriter on small segments, whose storage, file system and
// clock a test may replace.
#ifndef COREWAL_TESTS_REGRESSION_WRITER_FIXTURE_H_
#define COREWAL_TESTS_REGRESSION_WRITER_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io_backend/storage_io_factory.h"
#include "tests/regression/forwarding.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_reader.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {

class WriterFixture : public testing::Test {
 protected:
  WriterFixture() {
    options_.directory = directory_.path();
    options_.uuid = LogUuid::Random();
    options_.direct = DirectMode::kOff;
    options_.sync_method = SyncMethod::kDatasync;
    options_.segment_bytes = 64 << 10;
  }
  ~WriterFixture() override {
    writer_.reset();
    io_.reset();
  }

  static absl::Span<const std::byte> Bytes(const std::string& text) {
    return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
  }
  std::unique_ptr<StorageIo> NewIo() const {
    absl::StatusOr<std::unique_ptr<StorageIo>> io = CreateStorageIo(io_options_);
    EXPECT_TRUE(io.ok()) << io.status();
    return *std::move(io);
  }
  absl::StatusOr<RecoveredLog> Recover() const {
    const std::unique_ptr<StorageIo> io = NewIo();
    return RecoverLog(FileSystem::Host(), *io, options_.directory, options_.uuid,
                      RecoveryMode::kStrict);
  }
  // Opens on what the directory holds, on `io_` if the test has made one.
  void Open() {
    const absl::StatusOr<RecoveredLog> recovered = Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    if (io_ == nullptr) io_ = NewIo();
    auto writer = LogWriter::Open(*files_, *io_, *clock_, options_, *recovered);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
  }
  void Close() {
    const absl::Status closed = writer_->Close();
    EXPECT_TRUE(closed.ok()) << closed;
    writer_.reset();
    io_.reset();
  }
  Lsn Append(const std::string& text, Durability durability = Durability::kDurable) {
    for (;;) {
      absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text), {.durability = durability});
      if (lsn.ok()) return *lsn;
      EXPECT_TRUE(absl::IsResourceExhausted(lsn.status())) << lsn.status();
      if (!absl::IsResourceExhausted(lsn.status())) return Lsn();
      EXPECT_TRUE(writer_->Wait(clock_->Now() + 1'000'000'000).ok());
    }
  }
  // Records of 6000 bytes until the log has rolled `rolls` times more; the last one's LSN.
  Lsn AppendOverSegments(uint64_t rolls) {
    const uint64_t wanted = writer_->stats().rolls + rolls;
    Lsn last;
    while (writer_->stats().rolls < wanted) last = Append(std::string(6000, 'r'));
    EXPECT_TRUE(writer_->WaitDurable().ok());
    return last;
  }
  std::vector<std::string> ReadBack() const {
    const std::unique_ptr<StorageIo> io = NewIo();
    std::vector<std::string> records;
    auto reader = LogReader::Open(FileSystem::Host(), *io, options_.directory, {});
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) return records;
    RecordView record;
    while ((*reader)->Next(&record)) {
      records.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                           record.payload.size());
    }
    EXPECT_TRUE((*reader)->end().ToStatus().ok()) << (*reader)->end().ToString();
    return records;
  }

  TempDirectory directory_;
  LogWriterOptions options_;
  StorageIoOptions io_options_ = {
      .backend = IoBackend::kPosix, .buffers = 6, .buffer_bytes = 16 << 10};
  FileSystem* files_ = &FileSystem::Host();
  const Clock* clock_ = &Clock::System();
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_REGRESSION_WRITER_FIXTURE_H_
