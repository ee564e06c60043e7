#include "wal/log_follower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "io_backend/storage_io_factory.h"
#include "tests/regression/writer_fixture.h"
#include "tests/wal/log_builder.h"

namespace corewal {
namespace {

using Record = std::pair<Lsn, std::string>;

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
  FollowEvent Drain(LogFollower& follower, std::vector<Record>* records) {
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
  std::vector<Record> WrittenBelow(Lsn end) const {
    std::vector<Record> records;
    for (const Record& record : written_) {
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
  std::vector<Record> written_, seen_;
};

TEST_F(LogFollowerTest, HandsOutNothingBeforeItIsDurable) {
  Open();
  auto follower = Follow(WithWriter());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << "the log has not begun";
  Put("one");
  ASSERT_TRUE(writer_->Poll().ok());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
  EXPECT_EQ(follower->position(), durable_);
  EXPECT_TRUE(follower->status().ok());
  // Written and synced, but the writer has not been asked since: not handed out.
  Put("two");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u);
  durable_ = writer_->durable();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
}

TEST_F(LogFollowerTest, CaughtUpCostsNoReadWhenTheWriterSaysThereIsNothing) {
  Open();
  Put("one");
  Sync();
  auto follower = Follow(WithWriter());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  const uint64_t reads = ios_.back()->stats().reads;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(ios_.back()->stats().reads, reads);
}

// Appends, syncs, rolls, truncations with recycling, reopenings and follower turns at random, with
// the follower reading small chunks. Each way of learning what is durable.
class FollowAtRandom : public LogFollowerTest, public testing::WithParamInterface<int> {
 protected:
  LogFollowerOptions OptionsFor(Lsn from) {
    if (GetParam() == 0) return WithWriter(from);
    LogFollowerOptions options;
    options.from = from;
    options.durable.unwitnessed = GetParam() == 2;
    return options;
  }
  void Reopen(std::mt19937& random) {
    if (random() % 2 == 0) {
      Close();
    } else {
      Sync();  // what is not durable might be handed out unwitnessed, and then lost
      Crash();
    }
    Open();
    durable_ = std::max(durable_, writer_->durable());
  }
  void AppendOne(std::mt19937& random) {
    const size_t bytes = random() % 20 == 0 ? 40'000 + random() % 60'000 : random() % 3000;
    Put(std::string(bytes, static_cast<char>('a' + random() % 26)));
  }
  void Truncate(const LogFollower& follower) {
    // Never beyond what the follower has read.
    const Lsn before = std::min(writer_->durable(), follower.position());
    ASSERT_TRUE(writer_->TruncateBefore(before).ok());
  }
};

TEST_P(FollowAtRandom, SeesEveryRecordOnceInOrder) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    written_.clear(), seen_.clear(), durable_ = Lsn();
    Open();
    auto follower = Follow(OptionsFor(Lsn()));
    for (int step = 0; step < 250; ++step) {
      switch (random() % 12) {
        case 0:
          Sync();
          break;
        case 1:
          durable_ = writer_->durable();
          ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
          ASSERT_LE(seen_.size(), written_.size());
          break;
        case 2: {  // resumed by another
          const Lsn from = follower->position();
          follower = Follow(OptionsFor(from));
          break;
        }
        case 3:
          if (random() % 8 == 0) Reopen(random);
          break;
        case 4:
          Truncate(*follower);
          break;
        case 5:
          ASSERT_TRUE(writer_->Poll().ok());
          durable_ = writer_->durable();
          break;
        default:
          AppendOne(random);
      }
      if (GetParam() != 2) {
        ASSERT_LE(seen_.size(), WrittenBelow(writer_->durable()).size());
      }
    }
    Put("the last");
    Sync();
    Close();  // with a seal, so that the last batch has its witness too
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
    ASSERT_EQ(seen_.size(), written_.size());
    ASSERT_EQ(seen_, written_);
    follower.reset();
  }
}
INSTANTIATE_TEST_SUITE_P(Durable, FollowAtRandom, testing::Values(0, 1, 2),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == 0   ? "ByTheWriter"
                                  : info.param == 1 ? "ByWitness"
                                                    : "Unwitnessed";
                         });

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

TEST_F(LogFollowerTest, WithoutTheWriterTheLastBatchWaitsForItsWitness) {
  Open();
  auto follower = Follow({});
  auto eager = Follow({.durable = {.unwitnessed = true}});
  std::vector<Record> eager_seen;
  Put("one");
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(Drain(*eager, &eager_seen), FollowEvent::kCaughtUp);
  EXPECT_EQ(eager_seen, written_);
  Put("two");
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u) << "the second batch says that the first was durable";
  Close();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
  EXPECT_EQ(Drain(*eager, &eager_seen), FollowEvent::kCaughtUp);
  EXPECT_EQ(eager_seen, written_);
}

TEST_F(LogFollowerTest, IdleSealsThatAreOverwrittenOrPassedOverAreNoEnd) {
  options_.seal_after_us = 0;
  Open();
  auto follower = Follow({});
  for (int i = 0; i < 60; ++i) {
    Put(std::string(3000, static_cast<char>('a' + i % 26)));
    Sync();
    for (int turn = 0; turn < 4; ++turn) ASSERT_TRUE(writer_->Poll().ok());
    ASSERT_GT(writer_->stats().seals, static_cast<uint64_t>(i));
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
    ASSERT_EQ(seen_, written_);
  }
  EXPECT_GT(writer_->stats().rolls, 2u);
}

TEST_F(LogFollowerTest, GoesOnBehindASealThatTheNextOpeningChainsTo) {
  auto follower = Follow({});
  for (int opening = 0; opening < 4; ++opening) {
    Open();
    Put("a");
    Put("b");
    Sync();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_.size(), written_.size() - 2) << "the header behind the seal is no witness";
    Put("c");
    Sync();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_.size(), written_.size() - 1) << "all but the last have a witness";
    Close();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_, written_);
  }
}

TEST_F(LogFollowerTest, BatchThatIsDurableOnlyInPartWaitsForTheRest) {
  Open();
  Put("one");
  Put("two");
  Sync();
  const Lsn end = durable_;
  durable_ = written_[1].first;  // no writer says this, but a caller may
  auto follower = Follow(WithWriter());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  durable_ = end;
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
}

// After a clean close and a reopening `durable` is the end of the seal, beyond what was read, and
// yet nothing of the new segment is durable.
TEST_F(LogFollowerTest, FirstBatchBehindASealWaitsUntilItIsDurable) {
  Open();
  Put("before");
  Sync();
  Close();
  auto follower = Follow(WithWriter());
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  ASSERT_EQ(seen_, written_);
  Open();
  ASSERT_GT(writer_->durable(), durable_);
  durable_ = writer_->durable();
  Put("new");
  ASSERT_TRUE(writer_->WaitDurable().ok());  // it is on disk, but the follower is not told so
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u);
  durable_ = writer_->durable();
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
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

TEST_F(LogFollowerTest, RecordsThatSpanSegmentsComeWholeOrInPieces) {
  options_.segments_ready = 8;
  Open();
  std::string large;
  for (int i = 0; large.size() < 300'000; ++i) large += std::to_string(i) + ",";
  Put("before");
  Put(large);
  Put("behind");
  Sync();
  auto whole = Follow(WithWriter());
  EXPECT_EQ(Drain(*whole), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);

  LogFollowerOptions options = WithWriter();
  options.pieces = true;
  auto parts = Follow(options);
  RecordView record;
  ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
  EXPECT_TRUE(record.whole());
  std::string put_together;
  Lsn resumed_at;
  do {
    ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
    EXPECT_EQ(record.lsn, written_[1].first);
    EXPECT_EQ(record.whole_bytes, large.size());
    EXPECT_EQ(record.part_offset, put_together.size());
    put_together += OwnedRecord(record).payload;
    if (!record.last_part()) resumed_at = parts->position();
  } while (!record.last_part());
  EXPECT_EQ(put_together, large);
  EXPECT_LE(resumed_at, written_[1].first) << "a resumed reader gets the record again, whole";
  EXPECT_GT(resumed_at, written_[0].first);
  ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
  EXPECT_EQ(OwnedRecord(record).payload, "behind");
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
