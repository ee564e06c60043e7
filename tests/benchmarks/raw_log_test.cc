// The naive group commit that ours is compared with: what it wrote can be read back, whole, and
// what is missing or damaged shows. A baseline that loses records would be a fast one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/peers/frame.h"
#include "benchmarks/peers/group_buffer.h"
#include "benchmarks/peers/raw_scan.h"
#include "benchmarks/peers/record_maker.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/ring_file.h"
#include "tests/wal/temp_directory.h"

namespace corewal::peers {
namespace {

constexpr size_t kRecordBytes = 100;
constexpr uint64_t kRecords = 30'000;  // 3 MiB: more than the reader's buffer holds

class RawLogTest : public testing::Test {
 protected:
  void SetUp() override {
    // File systems without O_DIRECT (tmpfs) end the program in Create.
    const int fd = open((directory_.path() + "/probe").c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
    if (fd < 0) GTEST_SKIP() << "no O_DIRECT here";
    close(fd);
    file_.Create(path(), 8 * kMiB);
    buffer_ = std::make_unique<GroupBuffer>([this](std::byte* data, size_t bytes) {
      EXPECT_EQ(at_work_.fetch_add(1), 0) << "two leaders";
      const size_t padded_bytes = PadToBlock(bytes);
      std::memset(data + bytes, 0, padded_bytes - bytes);
      file_.Write(data, padded_bytes);
      at_work_.fetch_sub(1);
    });
  }

  std::string path() const { return directory_.path() + "/log"; }
  void WriteRecords() {
    RecordMaker maker(kRecordBytes, 0);
    for (uint64_t i = 1; i <= kRecords; ++i) {
      const absl::string_view record = maker.Next();
      buffer_->Append(record, CrcOf(record), GroupBuffer::Then::kReturn);
      if (i % 1000 == 0) buffer_->Sync();
    }
  }
  ReplayCheck Read() const {
    RingFile file;
    file.OpenForRead(path());
    ReplayCheck check;
    ScanRawLog(file, &check);
    return check;
  }

  TempDirectory directory_;
  RingFile file_;
  std::unique_ptr<GroupBuffer> buffer_;
  std::atomic<int> at_work_ = 0;
};

TEST_F(RawLogTest, WhatWasWrittenIsReadBackOnce) {
  WriteRecords();
  const ReplayCheck check = Read();
  EXPECT_EQ(check.records(), kRecords);
  EXPECT_TRUE(check.Verify(kRecords, kRecordBytes).ok());
}

TEST_F(RawLogTest, ScanEndsAtADamagedRecord) {
  WriteRecords();
  const int fd = open(path().c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, "\x01", 1, 1 << 20), 1);
  close(fd);
  const ReplayCheck check = Read();
  EXPECT_GT(check.records(), 0u);
  EXPECT_LT(check.records(), (1u << 20) / kRecordBytes);
  EXPECT_FALSE(check.Verify(kRecords, kRecordBytes).ok());
}

TEST_F(RawLogTest, EachOfManyClientsWaitsForItsOwnRecord) {
  constexpr int kClients = 8;
  constexpr uint64_t kEach = 200;
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  for (int id = 0; id < kClients; ++id) {
    clients.emplace_back([this, id] {
      RecordMaker maker(kRecordBytes, id);
      for (uint64_t i = 0; i < kEach; ++i) {
        const absl::string_view record = maker.Next();
        buffer_->Append(record, CrcOf(record), GroupBuffer::Then::kWaitDurable);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(Read().records(), kClients * kEach);
}

TEST(RecordMakerTest, RecordsArePrintableSortAndSayTheirNumber) {
  RecordMaker maker(20, 3);
  std::string before;
  for (uint64_t i = 0; i < 1000; ++i) {
    const std::string record(maker.Next());
    EXPECT_EQ(record.size(), 20u);
    EXPECT_LT(before, record);
    EXPECT_EQ(DecodeSequence(record), (uint64_t{3} << 36) + i);
    EXPECT_TRUE(std::all_of(record.begin(), record.end(), [](char c) { return c > ' '; }));
    before = record;
  }
}

TEST(ReplayCheckTest, MissingDoubledAndShortRecordsShow) {
  const auto verify = [](const std::vector<int>& order, size_t bytes) {
    RecordMaker maker(kRecordBytes, 0);
    std::vector<std::string> records;
    records.reserve(3);
    for (int i = 0; i < 3; ++i) records.emplace_back(maker.Next());
    ReplayCheck check;
    for (const int i : order) check.Add(absl::string_view(records[i]).substr(0, bytes));
    return check.Verify(3, kRecordBytes).ok();
  };
  EXPECT_TRUE(verify({0, 1, 2}, kRecordBytes));
  EXPECT_FALSE(verify({0, 1}, kRecordBytes));
  EXPECT_FALSE(verify({0, 2, 2}, kRecordBytes));
  EXPECT_FALSE(verify({0, 1, 2}, kRecordBytes - 1));
}

}  // namespace
}  // namespace corewal::peers
