// RocksDB with corewal as its log, from inside. What kill -9 leaves is a copy of the files of a
// database that is open and idle.
#include "examples/rocksdb_log/logged_rocksdb.h"

#include <gtest/gtest.h>
#include <rocksdb/convenience.h>
#include <rocksdb/merge_operator.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSegmentBytes = 128 << 10;

std::string Number(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

class LoggedRocksDbTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  static LoggedRocksDb::Options Options() {
    LoggedRocksDb::Options options;
    options.families = {"default", "counters"};
    options.log_segment_bytes = kSegmentBytes;
    options.rocksdb.write_buffer_size = 64 << 10;
    EXPECT_TRUE(rocksdb::MergeOperator::CreateFromString(rocksdb::ConfigOptions(), "uint64add",
                                                         &options.rocksdb.merge_operator)
                    .ok());
    return options;
  }

  std::unique_ptr<LoggedRocksDb> Open(const std::string& name) {
    absl::StatusOr<std::unique_ptr<LoggedRocksDb>> db = LoggedRocksDb::Open(Path(name), Options());
    EXPECT_TRUE(db.ok()) << db.status();
    return db.ok() ? *std::move(db) : nullptr;
  }

  // Sets `key` and counts that, in two families.
  static absl::Status Put(LoggedRocksDb& db, const std::string& key, const std::string& value) {
    rocksdb::WriteBatch batch;
    batch.Put(key, value);
    batch.Merge(db.family("counters"), "puts", Number(1));
    return db.Write(std::move(batch));
  }

  static std::string Get(const LoggedRocksDb& db, const std::string& key) {
    std::string value;
    const rocksdb::Status status = db.Get(db.family("default"), key, &value);
    return status.ok() ? value : status.ToString();
  }

  static std::string Puts(const LoggedRocksDb& db) {
    std::string value;
    EXPECT_TRUE(db.Get(db.family("counters"), "puts", &value).ok());
    return value;
  }

  void Crash(const std::string& from, const std::string& to) {
    fs::copy(Path(from), Path(to), fs::copy_options::recursive);
  }

  uint64_t LogBytes(const std::string& name) const {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(Path(name) + "/log")) {
      if (entry.path().extension() == ".wal") bytes += entry.file_size();
    }
    return bytes;
  }

  TempDirectory directory_;
};

TEST_F(LoggedRocksDbTest, WhatWasWrittenIsReadAndIsThereAfterReopening) {
  {
    const auto db = Open("db");
    ASSERT_NE(db, nullptr);
    ASSERT_TRUE(Put(*db, "key", "value").ok());
    EXPECT_EQ(Get(*db, "key"), "value");
  }
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(db->replayed_records(), 0u) << "closing flushes";
  EXPECT_EQ(Get(*db, "key"), "value");
  EXPECT_EQ(Puts(*db), Number(1));
}

TEST_F(LoggedRocksDbTest, OpeningReplaysWhatRocksDbHadInMemoryOnly) {
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Put(*db, absl::StrCat("key", i), "flushed").ok());
  ASSERT_TRUE(db->WriteOut().ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Put(*db, absl::StrCat("key", i), "not flushed").ok());
  Crash("db", "crashed");

  const auto recovered = Open("crashed");
  ASSERT_NE(recovered, nullptr);
  EXPECT_EQ(recovered->replayed_records(), 3u);
  EXPECT_EQ(Get(*recovered, "key2"), "not flushed");
  EXPECT_EQ(Get(*recovered, "key3"), "flushed");
  EXPECT_EQ(Puts(*recovered), Number(13)) << "replayed twice, or not at all";
}

TEST_F(LoggedRocksDbTest, ACrashBehindAReplayReplaysOnlyOnce) {
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Put(*db, "key", absl::StrCat(i)).ok());
  Crash("db", "crashed");
  const auto once = Open("crashed");
  ASSERT_NE(once, nullptr);
  ASSERT_TRUE(once->WriteOut().ok());
  ASSERT_TRUE(Put(*once, "key", "5").ok());
  Crash("crashed", "crashed again");
  const auto twice = Open("crashed again");
  ASSERT_NE(twice, nullptr);
  EXPECT_EQ(twice->replayed_records(), 1u);
  EXPECT_EQ(Get(*twice, "key"), "5");
  EXPECT_EQ(Puts(*twice), Number(6));
}

// The families fill up at different speed: one of them alone makes RocksDB flush.
TEST_F(LoggedRocksDbTest, FamiliesAgreeAfterOneOfThemFilledUp) {
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  constexpr uint64_t kPuts = 1000;
  for (uint64_t i = 0; i < kPuts; ++i) {
    ASSERT_TRUE(Put(*db, absl::StrCat("key", i), std::string(1000, 'v')).ok());
  }
  Crash("db", "crashed");
  const auto recovered = Open("crashed");
  ASSERT_NE(recovered, nullptr);
  EXPECT_LT(recovered->replayed_records(), kPuts) << "RocksDB never flushed";
  EXPECT_EQ(Puts(*recovered), Number(kPuts));
}

TEST_F(LoggedRocksDbTest, TheLogShrinksBehindWhatRocksDbWroteByItself) {
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  // Several times what the log may keep: what is not flushed, and segments prepared ahead.
  constexpr uint64_t kEnough = 10 * kSegmentBytes;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  uint64_t written = 0;
  while (written < 5 * kEnough || LogBytes("db") > kEnough) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << LogBytes("db") << " bytes of log";
    ASSERT_TRUE(Put(*db, "key", std::string(4000, 'v')).ok());
    written += 4000;
  }
}

TEST_F(LoggedRocksDbTest, WritersOfManyThreadsAreAppliedOnceEach) {
  const auto db = Open("db");
  ASSERT_NE(db, nullptr);
  constexpr uint64_t kThreads = 8, kEach = 100;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&db, t] {
      for (uint64_t i = 0; i < kEach; ++i) {
        const std::string key = absl::StrCat("key", t), value = absl::StrCat(i);
        EXPECT_TRUE(Put(*db, key, value).ok());
        EXPECT_EQ(Get(*db, key), value) << "answered before it was visible";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Puts(*db), Number(kThreads * kEach));
}

TEST_F(LoggedRocksDbTest, AnotherLogIsRefusedAndLeftAsItIs) {
  for (const std::string name : {"one", "two"}) {
    const auto db = Open(name);
    ASSERT_NE(db, nullptr);
    ASSERT_TRUE(Put(*db, "key", name).ok());
  }
  fs::rename(Path("one/log"), Path("log"));
  fs::rename(Path("two/log"), Path("one/log"));
  EXPECT_EQ(LoggedRocksDb::Open(Path("one"), Options()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  fs::rename(Path("one/log"), Path("two/log"));
  fs::rename(Path("log"), Path("one/log"));
  for (const std::string name : {"one", "two"}) {
    const auto db = Open(name);
    ASSERT_NE(db, nullptr);
    EXPECT_EQ(Get(*db, "key"), name);
  }
}

TEST_F(LoggedRocksDbTest, ALogWithoutItsDatabaseIsRefused) {
  {
    const auto db = Open("db");
    ASSERT_NE(db, nullptr);
    ASSERT_TRUE(Put(*db, "key", "value").ok());
  }
  fs::remove_all(Path("db/rocksdb"));
  EXPECT_EQ(LoggedRocksDb::Open(Path("db"), Options()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// As if an older copy of the log had been put back.
TEST_F(LoggedRocksDbTest, ALogThatEndsBeforeThePositionIsDataLoss) {
  {
    const auto db = Open("db");
    ASSERT_NE(db, nullptr);
    ASSERT_TRUE(Put(*db, "key", "old").ok());
    Crash("db", "copy");
    ASSERT_TRUE(Put(*db, "key", "new").ok());
  }
  fs::remove_all(Path("db/log"));
  fs::rename(Path("copy/log"), Path("db/log"));
  EXPECT_EQ(LoggedRocksDb::Open(Path("db"), Options()).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace corewal
