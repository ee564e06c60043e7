// tests/wal/log_follower_fixture.h: a writer, what it has written, and followers of its log.
#ifndef COREWAL_TESTS_WAL_LOG_FOLLOWER_FIXTURE_H_
#define COREWAL_TESTS_WAL_LOG_FOLLOWER_FIXTURE_H_

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/regression/writer_fixture.h"
#include "wal/log_follower.h"
#include "wal/segment_set.h"

namespace corewal {

using FollowedRecord = std::pair<Lsn, std::string>;

class LogFollowerTest : public WriterFixture {
 protected:
  LogFollowerTest() { options_.seal_after_us = 1'000'000'000; }  // no idle seal unless asked for

  std::unique_ptr<LogFollower> Follow(LogFollowerOptions options) {
    ios_.push_back(NewIo());
    options.direct = DirectMode::kOff;
    auto follower = LogFollower::Open(FileSystem::Host(), *ios_.back(), directory_.path(), options);
    EXPECT_TRUE(follower.ok()) << follower.status();
    return *std::move(follower);
  }
  LogFollowerOptions WithWriter(Lsn from = Lsn()) {
    LogFollowerOptions options;
    options.from = from;
    options.durable.lsn = [this] { return durable_; };
    return options;
  }
  // Takes records until something else happens.
  FollowEvent Drain(LogFollower& follower, std::vector<FollowedRecord>* records) {
    RecordView record;
    for (;;) {
      const FollowEvent event = follower.Next(&record);
      if (event != FollowEvent::kRecord) return event;
      records->emplace_back(record.lsn, OwnedRecord(record).payload);
    }
  }
  FollowEvent Drain(LogFollower& follower) { return Drain(follower, &seen_); }

  void Put(const std::string& text) { written_.emplace_back(Append(text), text); }
  void Sync() {
    ASSERT_TRUE(writer_->WaitDurable().ok());
    durable_ = writer_->durable();
  }
  void Crash() {
    writer_->Poll().IgnoreError();
    static auto* const abandoned =
        new std::vector<std::pair<std::unique_ptr<LogWriter>, std::unique_ptr<StorageIo>>>;
    abandoned->emplace_back(std::move(writer_), std::move(io_));
  }
  std::vector<FollowedRecord> WrittenBelow(Lsn end) const {
    std::vector<FollowedRecord> records;
    for (const FollowedRecord& record : written_) {
      if (record.first < end) records.push_back(record);
    }
    return records;
  }
  std::string PathOf(uint64_t sequence) const {
    return directory_.path() + "/" + SegmentFileName(sequence);
  }
  void Corrupt(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x40));
    ASSERT_TRUE(file.good());
  }

  std::vector<std::unique_ptr<StorageIo>> ios_;  // each follower's own
  Lsn durable_;
  std::vector<FollowedRecord> written_, seen_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_LOG_FOLLOWER_FIXTURE_H_
