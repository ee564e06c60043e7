// Opening a log that is damaged, with leave to do so, went wrong where the damage was in the first
// bytes that opening looks at:
//   - a damaged batch at the head of the segment where the scan begins: that segment stayed part of
//     the log, uncut, and what was appended then could not be read;
//   - a damaged header of the first segment, which a cursor pointed into: CheckInvariants failed.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class OpenedAtDamageTest : public WriterFixture {
 protected:
  // Three segments, closed. The third one's header knows that the second has durable bytes.
  void WriteLog() {
    Open();
    AppendOverSegments(3);
    ASSERT_TRUE(writer_->SetCursor("reader", Lsn(kBlockBytes)).ok());
    Close();
    records_before_ = ReadBack().size();
  }
  void Damage(uint64_t sequence, uint64_t offset) {
    std::fstream file(directory_.path() + "/" + SegmentFileName(sequence),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put('!');
    ASSERT_TRUE(file.good());
  }
  void OpenWith(RecoveryMode mode) {
    io_ = NewIo();
    const auto recovered =
        RecoverLog(FileSystem::Host(), *io_, options_.directory, options_.uuid, mode);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    auto writer = LogWriter::Open(*files_, *io_, *clock_, options_, *recovered);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
    writer_->CheckInvariants();
  }

  size_t records_before_ = 0;
};

TEST_F(OpenedAtDamageTest, SegmentWithoutAnyValidBatchIsNotPartOfALogCutAtDamage) {
  WriteLog();
  Damage(2, kBlockBytes + 20);
  {
    const auto io = NewIo();
    const auto recovered = RecoverLog(FileSystem::Host(), *io, options_.directory, options_.uuid,
                                      RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_EQ(recovered->end.end, LogEnd::kDamaged);
    ASSERT_EQ(recovered->live.size(), 1u);
    EXPECT_GT(recovered->end.lsn, recovered->live.back().header.base_lsn);
  }
  OpenWith(RecoveryMode::kStopAtDamage);
  Append("behind the cut");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();
  const std::vector<std::string> records = ReadBack();
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back(), "behind the cut");
  EXPECT_LT(records.size(), records_before_ + 1);
}

TEST_F(OpenedAtDamageTest, CursorIntoALostSegmentHoldsWhatIsLeft) {
  WriteLog();
  Damage(1, 20);
  OpenWith(RecoveryMode::kSkipDamaged);
  const Lsn oldest = writer_->oldest();
  EXPECT_GE(oldest, Lsn(options_.segment_bytes));
  AppendOverSegments(2);
  ASSERT_TRUE(writer_->TruncateBefore(writer_->durable()).ok());
  writer_->CheckInvariants();
  EXPECT_EQ(writer_->oldest(), oldest) << "somebody needs everything";
  ASSERT_TRUE(writer_->RemoveCursor("reader").ok());
  ASSERT_TRUE(writer_->TruncateBefore(writer_->durable()).ok());
  writer_->CheckInvariants();
  EXPECT_GT(writer_->oldest(), oldest);
  Close();
}

}  // namespace
}  // namespace corewal
