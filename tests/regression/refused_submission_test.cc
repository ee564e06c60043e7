// What the storage calls transient costs the log nothing; what it calls final ends it, also in the
// middle of a record.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class RefusingIo final : public ForwardingStorageIo {
 public:
  using ForwardingStorageIo::ForwardingStorageIo;
  absl::Status Submit() override {
    if (submits_refused_ > 0 && submits_refused_-- > 0) {
      return absl::UnavailableError("takes no more for now");
    }
    return ForwardingStorageIo::Submit();
  }
  absl::Status Wait(uint32_t min_completions, MonotonicNs deadline) override {
    if (waits_refused_ > 0 && waits_refused_-- > 0) {
      return absl::UnavailableError("takes no more for now");
    }
    if (waits_good_ > 0 && --waits_good_ == 0) return absl::InternalError("the ring is gone");
    return ForwardingStorageIo::Wait(min_completions, deadline);
  }
  size_t Poll(absl::Span<Completion> out) override {
    const size_t n = ForwardingStorageIo::Poll(out);
    for (Completion& done : out.first(n)) {
      if (done.kind == OpKind::kPreallocate && no_fallocate_) done.error = EOPNOTSUPP;
    }
    return n;
  }
  void RefuseSubmits(int count) { submits_refused_ = count; }
  void RefuseWaits(int count) { waits_refused_ = count; }
  void FailNextWait() { waits_good_ = 1; }
  void HaveNoFallocate() { no_fallocate_ = true; }

 private:
  int submits_refused_ = 0, waits_refused_ = 0, waits_good_ = 0;
  bool no_fallocate_ = false;
};

class RefusedSubmissionTest : public WriterFixture {
 protected:
  RefusedSubmissionTest() {
    auto io = std::make_unique<RefusingIo>(NewIo());
    refusing_ = io.get();
    io_ = std::move(io);
  }
  RefusingIo* refusing_;
};

TEST_F(RefusedSubmissionTest, UnavailableIsTransient) {
  Open();
  Append("record");
  refusing_->RefuseSubmits(2);
  EXPECT_TRUE(writer_->Poll().ok()) << writer_->failure();
  refusing_->RefuseWaits(2);
  EXPECT_TRUE(writer_->WaitDurable().ok()) << writer_->failure();
  Close();
  EXPECT_EQ(ReadBack().size(), 1u);
}

TEST_F(RefusedSubmissionTest, WaitThatFailsInsideALargeRecordFailsTheWriter) {
  options_.segments_ready = 8;
  Open();
  while (writer_->stats().segments_ready < 8) ASSERT_TRUE(writer_->Poll().ok());
  refusing_->FailNextWait();
  const std::string large(200'000, 'l');
  const absl::Status failed = writer_->Append(Bytes(large)).status();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(writer_->Append(Bytes("behind half a record")).status(), failed);
  EXPECT_EQ(writer_->failure(), failed);
}

// Not every file system preallocates.
TEST_F(RefusedSubmissionTest, FileSystemWithoutFallocateServesALog) {
  refusing_->HaveNoFallocate();
  Open();
  AppendOverSegments(3);
  Close();
  EXPECT_FALSE(ReadBack().empty());
}

}  // namespace
}  // namespace corewal
