// Logs written when a format version was new are read today as they were then: every record, and
// where the log ends. See make_golden.cc for how each was made.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "io_backend/file_system.h"
#include "io_backend/storage_io_factory.h"
#include "tests/golden/golden_reading.h"

namespace corewal {
namespace {

constexpr char kGolden[] = "tests/golden";

// A log as files of its own: what the test is given are symbolic links, which no log follows.
std::string CopyOf(const std::string& log) {
  const std::filesystem::path copy = std::filesystem::path(testing::TempDir()) / "golden_copy";
  std::filesystem::remove_all(copy);
  std::filesystem::create_directory(copy);
  for (const auto& entry : std::filesystem::directory_iterator(log)) {
    if (entry.path().extension() != ".wal") continue;
    std::filesystem::copy_file(entry.path(), copy / entry.path().filename());
  }
  return copy.string();
}

std::vector<std::string> GoldenLogs() {
  std::vector<std::string> logs;
  for (const auto& version : std::filesystem::directory_iterator(kGolden)) {
    if (!version.is_directory()) continue;
    for (const auto& log : std::filesystem::directory_iterator(version.path())) {
      logs.push_back(log.path().string());
    }
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

TEST(GoldenTest, EveryLogReadsAsItDidWhenItWasWritten) {
  const std::vector<std::string> logs = GoldenLogs();
  ASSERT_GE(logs.size(), 7u);
  for (const IoBackend backend : {IoBackend::kPosix, IoBackend::kAuto}) {
    auto io = CreateStorageIo({.backend = backend});
    ASSERT_TRUE(io.ok()) << io.status();
    for (const std::string& log : logs) {
      std::ifstream file(log + "/expected.txt");
      const std::string expected((std::istreambuf_iterator<char>(file)), {});
      ASSERT_NE(expected, "") << log;
      EXPECT_EQ(GoldenReading(FileSystem::Host(), **io, CopyOf(log)), expected) << log;
    }
  }
}

}  // namespace
}  // namespace corewal
