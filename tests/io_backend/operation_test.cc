// What each answer of the kernel means for each kind of operation.
#include "io_backend/operation.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "io_backend/operation_table.h"

namespace corewal {
namespace {

using Verdict = Operation::Verdict;

Operation Make(OpKind kind, uint64_t length = 0, uint32_t alignment = 1) {
  Operation op;
  op.kind = kind;
  op.length = length;
  op.alignment = alignment;
  return op;
}

TEST(OperationTest, ShortWriteGoesOnWhereItStopped) {
  Operation op = Make(OpKind::kWrite, 8192);
  op.offset = 100;
  EXPECT_EQ(op.TakeAnswer(3000), Verdict::kTryRest);
  EXPECT_EQ(op.rest_offset(), 3100u);
  EXPECT_EQ(op.rest_length(), 5192u);
  EXPECT_EQ(op.TakeAnswer(5192), Verdict::kReady);
  EXPECT_EQ(op.error, 0);
  EXPECT_EQ(op.done, 8192u);
  EXPECT_EQ(op.short_transfers, 1u);
}

TEST(OperationTest, ShortWriteOfSeveralPiecesGoesOnInsideOne) {
  char memory[300];
  iovec pieces[] = {{memory, 100}, {memory + 100, 100}, {memory + 200, 100}};
  Operation op = Make(OpKind::kWrite, 300);
  op.pieces = pieces;
  op.piece_count = 3;
  EXPECT_EQ(op.TakeAnswer(40), Verdict::kTryRest);
  EXPECT_EQ(op.piece_count, 3u);
  EXPECT_EQ(op.pieces->iov_base, memory + 40);
  EXPECT_EQ(op.pieces->iov_len, 60u);
  EXPECT_EQ(op.TakeAnswer(-EAGAIN), Verdict::kTryRest);
  EXPECT_EQ(op.pieces->iov_base, memory + 40) << "nothing was done";
  EXPECT_EQ(op.TakeAnswer(60), Verdict::kTryRest);
  EXPECT_EQ(op.piece_count, 2u);
  EXPECT_EQ(op.pieces->iov_base, memory + 100);
  EXPECT_EQ(op.TakeAnswer(150), Verdict::kTryRest);
  EXPECT_EQ(op.piece_count, 1u);
  EXPECT_EQ(op.pieces->iov_base, memory + 250);
  EXPECT_EQ(op.pieces->iov_len, 50u);
  EXPECT_EQ(op.TakeAnswer(50), Verdict::kReady);
  EXPECT_EQ(op.error, 0);
  EXPECT_EQ(op.done, 300u);
}

TEST(OperationTest, ShortDirectWriteOfSeveralPiecesGoesOnFromAnAlignedPlace) {
  alignas(512) char memory[2048];
  iovec pieces[] = {{memory, 1024}, {memory + 1024, 1024}};
  Operation op = Make(OpKind::kWrite, 2048, 512);
  op.pieces = pieces;
  op.piece_count = 2;
  EXPECT_EQ(op.TakeAnswer(1700), Verdict::kTryRest);
  EXPECT_EQ(op.rest_offset(), 1536u);
  EXPECT_EQ(op.piece_count, 1u);
  EXPECT_EQ(op.pieces->iov_base, memory + 1536);
  EXPECT_EQ(op.pieces->iov_len, 512u);
}

TEST(OperationTest, ShortWriteThatFailsNextIsThatError) {
  Operation op = Make(OpKind::kWrite, 8192);
  EXPECT_EQ(op.TakeAnswer(4096), Verdict::kTryRest);
  EXPECT_EQ(op.TakeAnswer(-ENOSPC), Verdict::kReady);
  EXPECT_EQ(op.error, ENOSPC);
  EXPECT_EQ(op.done, 4096u);
}

TEST(OperationTest, WriteOfNothingIsAnError) {
  Operation op = Make(OpKind::kWrite, 4096);
  EXPECT_EQ(op.TakeAnswer(0), Verdict::kReady);
  EXPECT_EQ(op.error, EIO);
}

TEST(OperationTest, DirectWriteGoesOnFromAnAlignedOffset) {
  Operation op = Make(OpKind::kWrite, 8192, 512);
  EXPECT_EQ(op.TakeAnswer(4000), Verdict::kTryRest);
  EXPECT_EQ(op.rest_offset(), 3584u);
  EXPECT_EQ(op.TakeAnswer(400), Verdict::kReady) << "no whole block further";
  EXPECT_EQ(op.error, EIO);
}

TEST(OperationTest, WriteThatStaysShortEndsAsAnError) {
  Operation op = Make(OpKind::kWrite, 1 << 20);
  int attempts = 1;
  while (op.TakeAnswer(1) == Verdict::kTryRest) ++attempts;
  EXPECT_EQ(op.error, EIO);
  EXPECT_EQ(attempts, static_cast<int>(Operation::kAttemptsMax));
}

TEST(OperationTest, ReadEndsAtTheEndOfTheFile) {
  Operation op = Make(OpKind::kRead, 8192);
  EXPECT_EQ(op.TakeAnswer(5000), Verdict::kTryRest);
  EXPECT_EQ(op.TakeAnswer(0), Verdict::kReady);
  EXPECT_EQ(op.error, 0);
  EXPECT_EQ(op.done, 5000u);
}

TEST(OperationTest, DirectReadThatStopsInsideABlockIsAtTheEnd) {
  Operation op = Make(OpKind::kRead, 8192, 512);
  EXPECT_EQ(op.TakeAnswer(5000), Verdict::kReady);
  EXPECT_EQ(op.error, 0);
  EXPECT_EQ(op.done, 5000u);
}

TEST(OperationTest, TransientErrorsAreTriedAgainUpToABound) {
  for (const OpKind kind : {OpKind::kWrite, OpKind::kRead, OpKind::kPreallocate}) {
    for (const int error : {EINTR, EAGAIN}) {
      Operation op = Make(kind, 4096);
      uint32_t attempts = 1;
      while (op.TakeAnswer(-error) == Verdict::kTryRest) ++attempts;
      EXPECT_EQ(attempts, Operation::kAttemptsMax);
      EXPECT_EQ(op.error, error);
    }
  }
}

TEST(OperationTest, ProgressResetsTheBoundOnTransientErrors) {
  Operation op = Make(OpKind::kWrite, 4096);
  for (int i = 0; i < 4; ++i) {
    for (uint32_t k = 1; k < Operation::kAttemptsMax; ++k) {
      ASSERT_EQ(op.TakeAnswer(-EINTR), Verdict::kTryRest);
    }
    EXPECT_EQ(op.TakeAnswer(1024), i < 3 ? Verdict::kTryRest : Verdict::kReady);
  }
  EXPECT_EQ(op.error, 0);
}

TEST(OperationTest, SyncIsNeverTriedAgain) {
  // The second one may succeed although the pages are gone.
  for (const int error : {EINTR, EAGAIN, EIO, ENOSPC}) {
    Operation op = Make(OpKind::kSync);
    EXPECT_EQ(op.TakeAnswer(-error), Verdict::kReady);
    EXPECT_EQ(op.error, error);
  }
}

TEST(OperationTest, FinalErrorsAreNotTriedAgain) {
  for (const int error : {EIO, ENOSPC, EBADF, EFBIG, EINVAL}) {
    Operation op = Make(OpKind::kWrite, 4096);
    EXPECT_EQ(op.TakeAnswer(-error), Verdict::kReady);
    EXPECT_EQ(op.error, error);
  }
}

TEST(OperationTest, CancelledOperationIsNotTriedAgain) {
  for (const int64_t answer : {int64_t{-EINTR}, int64_t{-EAGAIN}, int64_t{4096}}) {
    Operation op = Make(OpKind::kWrite, 8192);
    op.cancel_asked = true;
    EXPECT_EQ(op.TakeAnswer(answer), Verdict::kReady) << answer;
    EXPECT_EQ(op.error, ECANCELED);
    EXPECT_EQ(op.done, answer > 0 ? 4096u : 0u) << "what was written is told";
  }
  Operation op = Make(OpKind::kWrite, 8192);
  op.cancel_asked = true;
  EXPECT_EQ(op.TakeAnswer(8192), Verdict::kReady);
  EXPECT_EQ(op.error, 0) << "too late to cancel";
}

TEST(OperationDeathTest, EdgesThatDoNotExistAreBugs) {
  Operation op = Make(OpKind::kSync);
  EXPECT_DEATH(op.Transition(Operation::State::kStaged), "sync from state 0 to 0");
  op.Transition(Operation::State::kInKernel);
  EXPECT_DEATH(op.Transition(Operation::State::kInKernel), "sync from state 1 to 1");
}

// ---- OperationTable

TEST(OperationTableTest, FindsOnlyWhatIsInTheKernelUnderItsOwnToken) {
  OperationTable table(4);
  OpToken token;
  table.Stage(OpKind::kWrite, &token);
  EXPECT_FALSE(table.FindInKernel(token.bits).has_value()) << "staged";
  const uint32_t slot = table.Launch(0);
  EXPECT_EQ(table.FindInKernel(token.bits), slot);
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_FALSE(table.FindInKernel(token.bits ^ (uint64_t{1} << bit)).has_value()) << bit;
  }
  EXPECT_FALSE(table.FindInKernel(0).has_value());
  EXPECT_FALSE(table.FindInKernel(UINT64_MAX).has_value());
  table.MarkReady(slot);
  EXPECT_FALSE(table.FindInKernel(token.bits).has_value()) << "a second completion";
  table.Free(table.PopReady());
  OpToken next;
  table.Stage(OpKind::kWrite, &next);
  table.Launch(0);
  EXPECT_FALSE(table.FindInKernel(token.bits).has_value()) << "stale";
  EXPECT_TRUE(table.FindInKernel(next.bits).has_value());
}

TEST(OperationTableTest, KindsInTheSameSlotAndGenerationDiffer) {
  std::set<uint64_t> tokens;
  for (const OpKind kind : {OpKind::kWrite, OpKind::kRead, OpKind::kSync, OpKind::kPreallocate}) {
    OperationTable table(1);
    OpToken token;
    table.Stage(kind, &token);
    EXPECT_NE(token.bits, 0u);
    EXPECT_TRUE(tokens.insert(token.bits).second);
  }
}

}  // namespace
}  // namespace corewal
