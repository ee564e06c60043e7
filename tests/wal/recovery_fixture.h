// tests/wal/recovery_fixture.h: writes a log made by LogBuilder, reads it and opens it, and checks
// what either says of its end.
#ifndef COREWAL_TESTS_WAL_RECOVERY_FIXTURE_H_
#define COREWAL_TESTS_WAL_RECOVERY_FIXTURE_H_

#include <string>

#include "gtest/gtest.h"
#include "tests/wal/log_fixture.h"
#include "wal/recovery.h"

namespace corewal {

class RecoveryTest : public ::testing::Test {
 protected:
  // Three single-block batches of two records each, every one durable before the next.
  static void Fill(LogBuilder& log, const std::string& name, int batches = 3) {
    for (int i = 0; i < batches; ++i) {
      const std::string text = name + std::to_string(i);
      log.AddBatch({text + ".first", text + ".second, which is longer"});
    }
  }
  // Writes the log, reads and recovers it, and checks that both say the same.
  void Expect(const char* row, LogEnd end, size_t records) {
    ExpectReplay(row, end, records);
    const auto strict = fixture_.Recover();
    if (end == LogEnd::kDamaged) {
      EXPECT_TRUE(absl::IsDataLoss(strict.status())) << strict.status();
      EXPECT_NE(strict.status().message().find(read_.end.file), absl::string_view::npos);
      EXPECT_EQ(read_.end.ToStatus(), strict.status());
    } else {
      EXPECT_TRUE(strict.ok()) << strict.status();
    }
    const auto lenient = fixture_.Recover(RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(lenient.ok()) << lenient.status();
    recovered_ = *lenient;
    EXPECT_STREQ(recovered_.end.row, row) << recovered_.end.ToString();
    EXPECT_EQ(recovered_.end.lsn, read_.end.lsn);
    EXPECT_EQ(recovered_.end.last_crc, read_.end.last_crc);
    EXPECT_EQ(recovered_.end.ToString(), read_.end.ToString());
    EXPECT_TRUE(fixture_.BuffersAreHome());
  }

  // Damage before what the headers know to be durable: reading says so, opening need not see it and
  // takes the log as far as `opened` says.
  void ExpectFoundByReplay(const char* row, size_t records, const char* opened, Lsn end) {
    ExpectReplay(row, LogEnd::kDamaged, records);
    EXPECT_TRUE(absl::IsDataLoss(read_.end.ToStatus()));
    for (const RecoveryMode mode : {RecoveryMode::kStrict, RecoveryMode::kStopAtDamage}) {
      const auto recovered = fixture_.Recover(mode);
      ASSERT_TRUE(recovered.ok()) << recovered.status();
      recovered_ = *recovered;
      EXPECT_STREQ(recovered_.end.row, opened) << recovered_.end.ToString();
      EXPECT_EQ(recovered_.end.lsn, end);
      EXPECT_EQ(recovered_.end.last_crc, log_.last_crc());
    }
    EXPECT_TRUE(fixture_.BuffersAreHome());
  }
  void ExpectReplay(const char* row, LogEnd end, size_t records) {
    log_.WriteTo(fixture_.directory());
    read_ = fixture_.Read();
    ASSERT_TRUE(read_.open.ok()) << read_.open;
    EXPECT_STREQ(read_.end.row, row) << read_.end.ToString();
    EXPECT_EQ(read_.end.end, end) << read_.end.ToString();
    EXPECT_EQ(read_.records, ExpectedRecords(log_, records));
  }

  LogFixture fixture_;
  LogBuilder log_;
  ReadLog read_;
  RecoveredLog recovered_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_RECOVERY_FIXTURE_H_
