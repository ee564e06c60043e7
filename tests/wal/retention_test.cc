// What keeps a log, and what limits it: cursors, truncation, log_bytes_max.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/regression/writer_fixture.h"
#include "wal/cursor_set.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

class RetentionTest : public WriterFixture {
 protected:
  std::string CursorPath() const { return directory_.path() + "/" + kCursorFileName; }
  absl::StatusOr<CursorSet> OnDisk() const {
    return CursorSet::Read(FileSystem::Host(), directory_.path(), options_.uuid, options_.shard);
  }
  void Patch(uint64_t offset, char byte) {
    std::fstream file(CursorPath(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
  Lsn OldestRecord() {
    const auto io = NewIo();
    auto reader = LogReader::Open(FileSystem::Host(), *io, directory_.path(), {});
    EXPECT_TRUE(reader.ok()) << reader.status();
    RecordView record;
    return (*reader)->Next(&record) ? record.lsn : Lsn();
  }
  void TruncateAll() {
    ASSERT_TRUE(writer_->TruncateBefore(writer_->durable()).ok());
    writer_->CheckInvariants();
  }
  uint64_t BytesOfSegmentFiles() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().extension() == ".wal") bytes += entry.file_size();
    }
    return bytes;
  }
};

TEST_F(RetentionTest, CursorHoldsTheLogUntilItMovesOrIsRemovedOverReopeningToo) {
  Open();
  AppendOverSegments(6);
  const Lsn kept = Append("kept");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  ASSERT_TRUE(writer_->SetCursor("replica-b", kept).ok());
  AppendOverSegments(4);
  TruncateAll();
  EXPECT_LE(OldestRecord(), kept);
  EXPECT_GT(OldestRecord(), Lsn(64 << 10)) << "what it does not need is gone";
  Close();
  Open();
  ASSERT_EQ(writer_->cursors(), (std::vector<LogCursor>{{"replica-b", kept, false}}));
  TruncateAll();
  EXPECT_LE(OldestRecord(), kept);
  const Lsn moved = AppendOverSegments(2);
  ASSERT_TRUE(writer_->SetCursor("a", kept).ok());
  ASSERT_TRUE(writer_->SetCursor("replica-b", moved).ok());
  TruncateAll();
  EXPECT_LE(OldestRecord(), kept) << "the other one needs it still";
  ASSERT_TRUE(writer_->RemoveCursor("a").ok());
  TruncateAll();
  EXPECT_GT(OldestRecord(), kept);
  EXPECT_LE(OldestRecord(), moved);
  EXPECT_TRUE(absl::IsOutOfRange(writer_->SetCursor("a", kept)));
  EXPECT_TRUE(absl::IsNotFound(writer_->RemoveCursor("a")));
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->SetCursor("a", writer_->durable() + 1)));
  Close();
}

TEST_F(RetentionTest, CursorThatLagsTooFarIsInvalidatedAndItsReaderTold) {
  options_.cursor_lag_bytes_max = 3 * options_.segment_bytes;
  Open();
  const Lsn first = Append("first");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  ASSERT_TRUE(writer_->SetCursor("slow", first).ok());
  const auto io = NewIo();
  auto follower = LogFollower::Open(FileSystem::Host(), *io, directory_.path(), {.from = first});
  ASSERT_TRUE(follower.ok());
  AppendOverSegments(2);
  TruncateAll();
  EXPECT_EQ(OldestRecord(), first) << "not yet too much";
  AppendOverSegments(4);
  ASSERT_TRUE(writer_->TruncateBefore(first).ok());
  EXPECT_FALSE(writer_->cursors()[0].invalidated) << "it does not stand in the way";
  TruncateAll();
  ASSERT_EQ(writer_->cursors(), (std::vector<LogCursor>{{"slow", first, true}}));
  EXPECT_GT(OldestRecord(), first);
  EXPECT_EQ(OnDisk()->cursors(), writer_->cursors());
  RecordView record;
  EXPECT_EQ((*follower)->Next(&record), FollowEvent::kTruncated);
  // It may be set again, to what there is.
  EXPECT_TRUE(absl::IsOutOfRange(writer_->SetCursor("slow", first)));
  ASSERT_TRUE(writer_->SetCursor("slow", writer_->oldest()).ok());
  EXPECT_FALSE(writer_->cursors()[0].invalidated);
  Close();
}

TEST_F(RetentionTest, TornChangeLeavesTheStateBeforeIt) {
  Open();
  const Lsn a = Append("a");
  const Lsn b = Append("b");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  ASSERT_TRUE(writer_->SetCursor("c", a).ok());  // generation 1, slot 1
  ASSERT_TRUE(writer_->SetCursor("c", b).ok());  // generation 2, slot 0
  EXPECT_EQ(OnDisk()->Find("c")->lsn, b);
  for (uint64_t at = 0; at < kBlockBytes; at += 97) {
    std::fstream file(CursorPath(), std::ios::in | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char was = static_cast<char>(file.get());
    Patch(at, static_cast<char>(was ^ 0x10));
    ASSERT_TRUE(OnDisk().ok()) << at;
    EXPECT_EQ(OnDisk()->Find("c")->lsn, a) << at;
    Patch(at, was);
  }
  EXPECT_EQ(OnDisk()->Find("c")->lsn, b);
  Close();
}

TEST_F(RetentionTest, DamagedCursorFileLetsTheLogOpenButNotBeTruncated) {
  Open();
  const Lsn a = Append("a");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  ASSERT_TRUE(writer_->SetCursor("c", a).ok());
  AppendOverSegments(3);
  Close();
  Patch(kBlockBytes + 70, 'x');
  EXPECT_TRUE(absl::IsDataLoss(OnDisk().status())) << OnDisk().status();
  Open();
  Append("goes on");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_TRUE(absl::IsDataLoss(writer_->TruncateBefore(writer_->durable())));
  EXPECT_TRUE(absl::IsDataLoss(writer_->SetCursor("c", writer_->durable())));
  EXPECT_EQ(OldestRecord(), a);
  Close();
  std::filesystem::remove(CursorPath());
  Open();
  TruncateAll();
  EXPECT_GT(OldestRecord(), a);
  Close();
}

TEST_F(RetentionTest, NamesAndNumberAreLimited) {
  CursorSet set(options_.uuid, options_.shard);
  EXPECT_FALSE(set.Set("", Lsn(1)).ok());
  EXPECT_FALSE(set.Set("with space", Lsn(1)).ok());
  EXPECT_FALSE(set.Set(std::string(49, 'x'), Lsn(1)).ok());
  EXPECT_TRUE(set.Set(std::string(48, 'x'), Lsn(1)).ok());
  for (size_t i = 1; i < kCursorsMax; ++i) EXPECT_TRUE(set.Set(std::to_string(i), Lsn(i)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(set.Set("another", Lsn(1))));
  EXPECT_TRUE(set.Set("7", Lsn(70)).ok()) << "one that is there may move";
  set.NextGeneration();
  ASSERT_TRUE(FileSystem::Host().WriteSmallFile(CursorPath(), set.EncodeFile()).ok());
  ASSERT_TRUE(OnDisk().ok()) << OnDisk().status();
  EXPECT_EQ(OnDisk()->cursors(), set.cursors());
  const auto other =
      CursorSet::Read(FileSystem::Host(), directory_.path(), LogUuid::Random(), options_.shard);
  EXPECT_TRUE(absl::IsDataLoss(other.status())) << "another log's";
}

TEST_F(RetentionTest, ChangesOfCursorsGoOnWhileBatchesAreInFlight) {
  Open();
  Lsn at = Append("first");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  std::vector<std::string> appended = {"first"};
  for (int i = 0; i < 40; ++i) {
    appended.push_back(std::string(3000, static_cast<char>('a' + i % 26)));
    Append(appended.back());
    ASSERT_TRUE(writer_->SetCursor("c", at).ok());
    writer_->CheckInvariants();
    at = std::max(at, writer_->durable());
  }
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_EQ(OnDisk()->cursors(), writer_->cursors());
  Close();
  EXPECT_EQ(ReadBack(), appended);
}

TEST_F(RetentionTest, SizeLimitIsNamedKeptAndGoneAfterTruncation) {
  options_.log_bytes_max = 5 * options_.segment_bytes;
  Open();
  std::vector<std::string> appended;
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    absl::Status refused;
    for (int i = 0; i < 10'000 && refused.ok(); ++i) {
      const std::string text = std::to_string(i) + std::string(6000, 'r');
      absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text));
      for (int turn = 0; absl::IsResourceExhausted(lsn.status()) && turn < 40; ++turn) {
        // As long as anything is under way it may only be a buffer that is missing.
        ASSERT_TRUE(writer_->WaitDurable().ok());
        ASSERT_TRUE(writer_->Poll().ok());
        lsn = writer_->Append(Bytes(text));
      }
      refused = lsn.status();
      if (lsn.ok()) appended.push_back(text);
      writer_->CheckInvariants();
      ASSERT_LE(BytesOfSegmentFiles(), options_.log_bytes_max);
    }
    ASSERT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_NE(refused.message().find("log_bytes_max"), absl::string_view::npos) << refused;
    EXPECT_GT(writer_->log_bytes(), 4 * options_.segment_bytes);
    TruncateAll();
    const std::string text = "again";
    absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text));
    const MonotonicNs deadline = clock_->Now() + 60'000'000'000;
    while (absl::IsResourceExhausted(lsn.status()) && clock_->Now() < deadline) {
      ASSERT_TRUE(writer_->Wait(clock_->Now() + 10'000'000).ok());
      lsn = writer_->Append(Bytes(text));
    }
    ASSERT_TRUE(lsn.ok()) << lsn.status();
    appended.push_back(text);
  }
  Close();
  const std::vector<std::string> read = ReadBack();
  ASSERT_FALSE(read.empty());
  ASSERT_LE(read.size(), appended.size());
  EXPECT_EQ(read, std::vector<std::string>(appended.end() - static_cast<ptrdiff_t>(read.size()),
                                           appended.end()));
}

TEST_F(RetentionTest, SizeLimitHoldsWhenALogThatIsLargerIsOpened) {
  Open();
  AppendOverSegments(8);
  Close();
  options_.log_bytes_max = 3 * options_.segment_bytes;
  Open();
  EXPECT_TRUE(absl::IsResourceExhausted(writer_->Append(Bytes("x")).status()));
  TruncateAll();
  Append("x");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_LE(BytesOfSegmentFiles(), options_.log_bytes_max);
  Close();
  options_.log_bytes_max = options_.segment_bytes;
  const auto recovered = Recover();
  const auto io = NewIo();
  EXPECT_TRUE(absl::IsInvalidArgument(
      LogWriter::Open(FileSystem::Host(), *io, *clock_, options_, *recovered).status()));
}

}  // namespace
}  // namespace corewal
