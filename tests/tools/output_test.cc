#include "tools/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

TEST(OutputTest, AFullDeviceIsAnErrorThatNamesTheOutput) {
  const int fd = open("/dev/full", O_WRONLY);
  if (fd < 0) GTEST_SKIP() << "no /dev/full here";
  Output out(fd, "results");
  out.Append("something");
  EXPECT_FALSE(out.finished());
  const absl::Status status = out.Send();
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr("results"), testing::HasSubstr("ENOSPC")));
  EXPECT_TRUE(out.finished());
  out.Append("more");
  EXPECT_FALSE(out.Send().ok());  // the first error stays
  close(fd);
}

TEST(OutputTest, AReaderThatHasGoneIsTheEndAndNoError) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  Output out(ends[1], "pipe");
  out.Append("something");
  EXPECT_TRUE(out.Send().ok());
  EXPECT_TRUE(out.finished());
  close(ends[1]);
}

TEST(OutputTest, NumbersAreWholeAtTheBuffersEnd) {
  char name[] = "/tmp/output_test_XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  unlink(name);
  Output out(fd, "file");
  std::string expected;
  for (uint64_t i = 0; expected.size() < 2 * Output::kBufferBytes; i += 999'999'999'999) {
    out.Number(i).Append(" ").Hex32(static_cast<uint32_t>(i)).Append("\n");
    char line[64];
    snprintf(line, sizeof(line), "%llu %08x\n", static_cast<unsigned long long>(i),
             static_cast<uint32_t>(i));
    expected += line;
  }
  ASSERT_TRUE(out.Send().ok());
  std::string written(expected.size() + 1, '\0');
  ASSERT_EQ(pread(fd, written.data(), written.size(), 0), static_cast<ssize_t>(expected.size()));
  written.pop_back();
  EXPECT_TRUE(written == expected);
  close(fd);
}

}  // namespace
}  // namespace corewal
