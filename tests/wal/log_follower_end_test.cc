// What ends a follower, or must not: truncation, crashes, damage, another log.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/wal/log_builder.h"
#include "tests/wal/log_follower_fixture.h"

namespace corewal {
namespace {

TEST_F(LogFollowerTest, TruncationThatOvertakesItIsToldAndNothingOfRecycledFilesIsHandedOut) {
  for (const bool by_writer : {true, false}) {
    for (int read_before = 1; read_before < 12; read_before += 5) {
      SCOPED_TRACE(testing::Message() << by_writer << " " << read_before);
      std::filesystem::remove_all(directory_.path());
      std::filesystem::create_directory(directory_.path());
      written_.clear(), seen_.clear(), durable_ = Lsn();
      Open();
      for (int i = 0; i < 100; ++i) Put(std::string(6000, static_cast<char>('a' + i % 26)));
      Sync();
      auto follower = Follow(by_writer ? WithWriter() : LogFollowerOptions());
      RecordView record;
      for (int i = 0; i < read_before; ++i) {
        ASSERT_EQ(follower->Next(&record), FollowEvent::kRecord);
        seen_.emplace_back(record.lsn, OwnedRecord(record).payload);
      }
      // Files are renamed and overwritten while the follower has one of them open.
      for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(writer_->TruncateBefore(writer_->durable()).ok());
        for (int i = 0; i < 30; ++i) Put(std::string(6000, static_cast<char>('A' + i % 26)));
        Sync();
      }
      ASSERT_EQ(Drain(*follower), FollowEvent::kTruncated);
      EXPECT_TRUE(absl::IsOutOfRange(follower->status())) << follower->status();
      ASSERT_LT(seen_.size(), written_.size());
      written_.resize(seen_.size());
      EXPECT_EQ(seen_, written_) << "what was handed out is a prefix of what was written";
      EXPECT_EQ(follower->Next(&record), FollowEvent::kTruncated) << "final";
      EXPECT_GT(follower->oldest(), follower->position());
      const Lsn oldest = follower->oldest();
      auto again = Follow(by_writer ? WithWriter(oldest) : LogFollowerOptions{.from = oldest});
      ASSERT_EQ(again->Next(&record), FollowEvent::kRecord);
      EXPECT_GT(record.lsn, oldest);
      auto gone = Follow(by_writer ? WithWriter(Lsn(1)) : LogFollowerOptions{.from = Lsn(1)});
      EXPECT_EQ(gone->Next(&record), FollowEvent::kTruncated);
      EXPECT_EQ(gone->oldest(), oldest);
      gone.reset(), again.reset(), follower.reset();
      Close();
    }
  }
}

TEST_F(LogFollowerTest, WhatACrashCutOffIsToldIfItWasTakenUnwitnessed) {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"kept"});
  const Lsn end = log.end();
  const uint32_t crc = log.last_crc();
  LogBuilder cut = log;
  log.AddBatch({"lost"});
  log.WriteTo(directory_.path());
  auto follower = Follow({.durable = {.unwitnessed = true}});
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  ASSERT_EQ(seen_.size(), 2u);
  cut.RewindTo(end, crc);
  cut.Reopen();
  cut.StartSegment();
  cut.AddBatch({"new"});
  cut.WriteTo(directory_.path());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCutBack);
  EXPECT_TRUE(absl::IsAborted(follower->status())) << follower->status();
  ASSERT_EQ(seen_.size(), 2u);
}

TEST_F(LogFollowerTest, DeadBatchBehindARecoveredEndIsNeverHandedOut) {
  for (const int mode : {0, 1, 2}) {
    SCOPED_TRACE(mode);
    LogBuilder log;
    log.StartSegment();
    log.AddBatch({"kept"});
    const Lsn end = log.end();
    const uint32_t crc = log.last_crc();
    log.AddBatch({"dead"});
    log.RewindTo(end, crc);
    log.Reopen();
    log.StartSegment();
    log.AddBatch({"new"});
    log.AddSeal();
    log.WriteTo(directory_.path());
    durable_ = log.end();
    LogFollowerOptions options = mode == 0 ? WithWriter() : LogFollowerOptions();
    options.durable.unwitnessed = mode == 2;
    auto follower = Follow(options);
    seen_.clear();
    EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    ASSERT_EQ(seen_.size(), 2u);
    EXPECT_EQ(seen_[0].second, "kept");
    EXPECT_EQ(seen_[1].second, "new");
  }
}

TEST_F(LogFollowerTest, DamageIsNamedOnceItIsKnownToHaveBeenDurable) {
  for (const bool by_writer : {true, false}) {
    SCOPED_TRACE(by_writer);
    LogBuilder log;
    log.StartSegment();
    for (int i = 0; i < 6; ++i) log.AddBatch({std::string(5000, 'a')});
    log.AddSeal();
    log.WriteTo(directory_.path());
    durable_ = log.end();
    Corrupt(PathOf(1), 4096 + 2 * 8192 + 100);
    auto follower = Follow(by_writer ? WithWriter() : LogFollowerOptions());
    seen_.clear();
    EXPECT_EQ(Drain(*follower), FollowEvent::kDamaged);
    EXPECT_EQ(seen_.size(), 2u);
    EXPECT_TRUE(absl::IsDataLoss(follower->status())) << follower->status();
    EXPECT_EQ(follower->report().rule, FormatRule::kBatchCrc);
    EXPECT_EQ(follower->report().offset, 4096u + 2 * 8192);
    EXPECT_EQ(follower->report().file, PathOf(1));
    EXPECT_STREQ(follower->report().row, "C1");
  }
}

TEST_F(LogFollowerTest, DamagedBatchHeaderIsFoundByLookingFurtherAtLast) {
  LogBuilder log;
  log.StartSegment();
  for (int i = 0; i < 6; ++i) log.AddBatch({std::string(5000, 'a')});
  log.WriteTo(directory_.path());
  // Where the walk over headers begins: what lies behind is not seen by it.
  Corrupt(PathOf(1), 4096 + 8);
  auto follower = Follow({});
  FollowEvent event = FollowEvent::kCaughtUp;
  for (int i = 0; i < 64 && event == FollowEvent::kCaughtUp; ++i) event = Drain(*follower);
  EXPECT_EQ(event, FollowEvent::kDamaged);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(LogFollowerTest, MissingOrDamagedNextSegmentIsDamage) {
  for (const bool missing : {true, false}) {
    SCOPED_TRACE(missing);
    LogBuilder log;
    for (int s = 0; s < 3; ++s) {
      log.StartSegment();
      log.AddBatch({"x"});
    }
    log.AddSeal();
    log.WriteTo(directory_.path());
    durable_ = log.end();
    auto follower = Follow(WithWriter());
    RecordView record;
    ASSERT_EQ(follower->Next(&record), FollowEvent::kRecord);
    if (missing) {
      std::filesystem::remove(PathOf(2));
    } else {
      Corrupt(PathOf(2), 60);
    }
    EXPECT_EQ(Drain(*follower), FollowEvent::kDamaged) << follower->status();
    EXPECT_STREQ(follower->report().row, missing ? "C4" : "C3");
    EXPECT_EQ(follower->report().file, PathOf(2));
  }
}

// Writes complete in any order: the second segment's may be there before the first one's header.
TEST_F(LogFollowerTest, MissingFirstHeaderIsDamageOnlyIfItWasDurable) {
  for (const bool by_writer : {true, false}) {
    for (const bool was_durable : {false, true}) {
      SCOPED_TRACE(by_writer);
      SCOPED_TRACE(was_durable);
      LogBuilder log;
      if (!was_durable) log.HoldDurable(Lsn());
      log.StartSegment();
      log.AddBatch({"x"});
      log.StartSegment();
      log.AddBatch({"y"});
      log.WriteTo(directory_.path());
      durable_ = was_durable ? log.end() : Lsn();
      for (uint64_t at = 0; at < 8; ++at) Corrupt(PathOf(1), at);  // its magic
      auto follower = Follow(by_writer ? WithWriter() : LogFollowerOptions());
      EXPECT_EQ(Drain(*follower), was_durable ? FollowEvent::kDamaged : FollowEvent::kCaughtUp);
    }
  }
}

TEST_F(LogFollowerTest, DeadSegmentReplacedByTheNextOpeningIsNotMistakenForTruncation) {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"kept"});
  LogBuilder dead = log;
  dead.StartSegment();  // header only: its first batch was torn
  dead.WriteTo(directory_.path());
  auto follower = Follow({.durable = {.unwitnessed = true}});
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  log.Reopen();
  log.StartSegment();
  log.AddBatch({"new"});
  log.AddSeal();
  log.WriteTo(directory_.path());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[1].second, "new");
}

TEST_F(LogFollowerTest, AnotherLogsSegmentIsRefusedByName) {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"mine"});
  log.WriteTo(directory_.path());
  auto follower = Follow({.durable = {.unwitnessed = true}});
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  SegmentHeader foreign = log.segment_header();
  foreign.uuid = TestUuid(7);
  foreign.sequence = 2;
  foreign.previous_sequence = 1;
  foreign.base_lsn = foreign.base_lsn + foreign.segment_bytes;
  foreign.previous_end = log.end();
  foreign.previous_crc = log.last_crc();
  LogBuilder::WriteFile(PathOf(2), MakeSegmentHeader(foreign));
  EXPECT_EQ(Drain(*follower), FollowEvent::kFailed);
  EXPECT_TRUE(absl::IsFailedPrecondition(follower->status())) << follower->status();
}

}  // namespace
}  // namespace corewal
