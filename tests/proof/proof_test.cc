// That the proofs' own instruments see what they claim to see.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "tests/proof/allocation_count.h"
#include "tests/proof/submission_log.h"
#include "tests/proof/system_call_count.h"

namespace corewal {
namespace {

TEST(AllocationCountTest, SeesNewAndMallocAndNothingElse) {
  const uint64_t before = AllocationCount();
  const auto made = std::make_unique<std::string>(100, 'x');  // two
  void* volatile memory = std::malloc(10);
  std::free(memory);
  EXPECT_EQ(AllocationCount() - before, 3u);
  const uint64_t quiet = AllocationCount();
  volatile int sum = 0;
  for (int i = 0; i < 1000; ++i) sum = sum + i;
  EXPECT_EQ(AllocationCount(), quiet);
}

TEST(SystemCallCountTest, CountsBetweenTheMarksOnly) {
  const SystemCallCounts counts = CountSystemCalls([] {
    syscall(SYS_getppid);
    StartCounting();
    for (int i = 0; i < 7; ++i) syscall(SYS_getppid);
    StopCounting();
    syscall(SYS_getppid);
  });
  if (!counts.unavailable.empty()) GTEST_SKIP() << counts.unavailable;
  EXPECT_EQ(counts.of(SYS_getppid), 7u) << counts;
  EXPECT_EQ(counts.total(), 7u) << counts;
}

TEST(SubmissionLogTest, ShowsWhatWasQueued) {
  io_uring ring;
  const int made = io_uring_queue_init(8, &ring, 0);
  if (made < 0) GTEST_SKIP() << "no ring here: errno " << -made;
  EXPECT_TRUE(SubmittedEntries().empty());
  for (int i = 0; i < 2; ++i) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
    io_uring_prep_nop(sqe);
    sqe->user_data = 42;
  }
  io_uring_submit_and_wait(&ring, 2);
  const auto entries = SubmittedEntries();
  EXPECT_EQ(entries.size(), 2u);
  for (const io_uring_sqe& entry : entries) {
    EXPECT_EQ(entry.opcode, IORING_OP_NOP);
    EXPECT_EQ(entry.user_data, 42u);
    EXPECT_FALSE(IsFixedFile(entry));
  }
  io_uring_queue_exit(&ring);
}

}  // namespace
}  // namespace corewal
