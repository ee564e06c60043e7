// A callback may append, also one that runs inside Close. Close once met that record with a CHECK.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class CloseWithCallbacksTest : public WriterFixture {};

TEST_F(CloseWithCallbacksTest, RecordsAppendedByCallbacksAreDurableOrRefused) {
  Open();
  int accepted = 0, answered = 0;
  absl::Status refused;
  std::function<void(const absl::StatusOr<Lsn>&)> again = [&](const absl::StatusOr<Lsn>& done) {
    EXPECT_TRUE(done.ok()) << done.status();
    ++answered;
    const absl::Status appended = writer_->Append(Bytes("again"), {}, again).status();
    if (appended.ok()) {
      ++accepted;
    } else {
      refused = appended;
    }
  };
  ASSERT_TRUE(writer_->Append(Bytes("first"), {}, again).ok());
  ++accepted;
  Close();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(answered, accepted);
  EXPECT_EQ(ReadBack().size(), static_cast<size_t>(accepted));
}

TEST_F(CloseWithCallbacksTest, ClosedWriterTruncatesNothing) {
  Open();
  const Lsn last = AppendOverSegments(3);
  ASSERT_TRUE(writer_->Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->TruncateBefore(last)));
}

// A reservation that was never made a record must not hold Close back.
TEST_F(CloseWithCallbacksTest, ForgottenReservationDoesNotHoldCloseBack) {
  Open();
  Append("record");
  ASSERT_TRUE(writer_->Reserve(100).ok());
  Close();
  EXPECT_EQ(ReadBack(), std::vector<std::string>{"record"});
}

}  // namespace
}  // namespace corewal
