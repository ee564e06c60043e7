// Opening a log that is damaged, with leave to do so, went wrong where the damage was in the first
// bytes that opening looks at:
//   - a damaged batch at the head of the segment where the scan begins: that segment stayed part of
//     the log, uncut, and what was appended then could not be read;
//   - a damaged header of the first segment, which a cursor pointed into: CheckInvariants failed;
//   - a damaged header of a later segment: opening took the file for a prepared one, and until
//     something was appended its old batches went on to prove the damage.
#include <gtest/gtest.h>

#include <filesystem>
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
  void Damage(uint64_t sequence, uint64_t offset, char byte = '!') {
    std::fstream file(directory_.path() + "/" + SegmentFileName(sequence),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
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
  Damage(3, kBlockBytes + 20);
  {
    const auto io = NewIo();
    const auto recovered = RecoverLog(FileSystem::Host(), *io, options_.directory, options_.uuid,
                                      RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_EQ(recovered->end.end, LogEnd::kDamaged);
    ASSERT_EQ(recovered->live.size(), 2u);
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

TEST_F(OpenedAtDamageTest, CutAtADamagedHeaderStaysCutWithoutAnAppend) {
  for (const bool zeros : {false, true}) {
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    Open();
    for (int i = 0; i < 20; ++i) {  // one by one, so that batches know of each other
      Append(std::string(6000, 'r'));
      ASSERT_TRUE(writer_->WaitDurable().ok());
    }
    Close();
    for (uint64_t at = 0; at < (zeros ? uint64_t{kBlockBytes} : 1); ++at) {
      Damage(2, at, zeros ? '\0' : '!');
    }
    EXPECT_TRUE(absl::IsDataLoss(Recover().status()));
    OpenWith(RecoveryMode::kStopAtDamage);
    Close();
    const absl::StatusOr<RecoveredLog> recovered = Recover();
    EXPECT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_FALSE(ReadBack().empty());
  }
}

}  // namespace
}  // namespace corewal
