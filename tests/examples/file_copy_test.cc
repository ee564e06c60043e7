// The file copy example, as a user runs it: every way, sizes that no block divides, holes, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/run_program.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kWays[] = {"read-write",       "copy-file-range",   "ring",
                                 "ring-fixed",       "read-write-direct", "ring-direct",
                                 "ring-fixed-direct"};

// No two blocks alike, so that a block in another's place shows.
std::string Content(size_t bytes) {
  std::string content(bytes, '\0');
  uint64_t state = bytes + 1;
  for (char& c : content) {
    state = state * 6364136223846793005 + 1442695040888963407;
    c = static_cast<char>(state >> 56);
  }
  return content;
}

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

uint64_t AllocatedBytes(const std::string& path) {
  struct stat facts = {};
  stat(path.c_str(), &facts);
  return static_cast<uint64_t>(facts.st_blocks) * 512;
}

class FileCopyTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Make(const std::string& name, const std::string& content) {
    std::ofstream(Path(name), std::ios::binary) << content;
  }
  ProgramResult Run(std::vector<std::string> flags, const std::string& source = "source",
                    const std::string& destination = "copy") {
    flags.push_back(Path(source));
    flags.push_back(Path(destination));
    return RunProgram({.program = "examples/file_copy/file_copy", .arguments = flags});
  }
  // Files of the directory whose names do not belong there.
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory_.path()),
                                             std::filesystem::directory_iterator()));
  }
  // Where O_DIRECT or a ring is not to be had, that must be what it says.
  static bool NotHere(const ProgramResult& result) {
    return result.exit_code == 1 && result.output.find("not here: ") != std::string::npos;
  }

  TempDirectory directory_;
};

TEST_F(FileCopyTest, EveryWayCopiesEverySize) {
  for (const size_t bytes : {0, 1, 4095, 4096, 4097, 16384, 300'001}) {
    const std::string content = Content(bytes);
    Make("source", content);
    for (const char* way : kWays) {
      const ProgramResult result =
          Run({std::string("--ways=") + way, "--block_kb=16", "--in_flight=3"});
      if (NotHere(result)) continue;
      ASSERT_EQ(result.exit_code, 0) << way << ": " << result.error;
      EXPECT_TRUE(Read(Path("copy")) == content) << way << ", " << bytes << " bytes";
      std::filesystem::remove(Path("copy"));
    }
  }
}

TEST_F(FileCopyTest, AllWaysSideBySideLeaveOneCopy) {
  const std::string content = Content(1'500'000);
  Make("source", content);
  const ProgramResult result = Run({"--ways=all", "--rounds=2", "--block_kb=64"});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  for (const char* way : kWays) EXPECT_THAT(result.output, HasSubstr(std::string("\n") + way));
  EXPECT_TRUE(Read(Path("copy")) == content);
  EXPECT_EQ(FileCount(), 2u);
}

// What the table shows of copies avoided: nothing of a direct copy is in the page cache.
TEST_F(FileCopyTest, PageCacheColumnTellsDirectFromBuffered) {
  Make("source", Content(4 << 20));
  const ProgramResult result = Run({"--ways=read-write,ring-fixed,ring-fixed-direct"});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  if (result.output.find("not here") != std::string::npos) GTEST_SKIP() << result.output;
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) {
    const std::string last = line.substr(line.rfind(' ') + 1);
    if (last == "?") GTEST_SKIP() << "needs cachestat(2), Linux 6.5";
    if (line.rfind("read-write ", 0) == 0 || line.rfind("ring-fixed ", 0) == 0) {
      EXPECT_EQ(last, "2.00") << line;
    }
    if (line.rfind("ring-fixed-direct ", 0) == 0) {
      EXPECT_EQ(last, "0.00") << line;
    }
  }
}

TEST_F(FileCopyTest, HolesStayHolesAtTheEndToo) {
  Make("source", "");
  std::filesystem::resize_file(Path("source"), (16 << 20) + 5);
  {
    std::fstream file(Path("source"), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(1'000'000) << "in the middle";
    file.seekp((8 << 20) + 9) << "and later";
  }
  for (const char* way : kWays) {
    const ProgramResult result = Run({std::string("--ways=") + way});
    if (NotHere(result)) continue;
    ASSERT_EQ(result.exit_code, 0) << way << ": " << result.error;
    EXPECT_TRUE(Read(Path("copy")) == Read(Path("source"))) << way;
    EXPECT_LT(AllocatedBytes(Path("copy")), 1u << 20) << way;
    std::filesystem::remove(Path("copy"));
  }
}

TEST_F(FileCopyTest, PermissionsAreThoseOfTheSource) {
  Make("source", "x");
  std::filesystem::permissions(Path("source"), std::filesystem::perms(0640));
  ASSERT_EQ(Run({}).exit_code, 0);
  EXPECT_EQ(std::filesystem::status(Path("copy")).permissions(), std::filesystem::perms(0640));
}

TEST_F(FileCopyTest, ExistingFileIsNotTouched) {
  Make("source", "new");
  Make("copy", "old");
  const ProgramResult result = Run({});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, HasSubstr("exists and is not replaced"));
  EXPECT_EQ(Read(Path("copy")), "old");
  EXPECT_EQ(FileCount(), 2u);
}

TEST_F(FileCopyTest, EnvironmentTroubleIsOneLineThatNamesTheFile) {
  Make("source", "x");
  for (const auto& [source, destination] : std::vector<std::pair<std::string, std::string>>{
           {"no_such_file", "copy"}, {"", "copy"}, {"source", "no_such_directory/copy"}}) {
    const ProgramResult result = Run({}, source, destination);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.error, StartsWith("file_copy: "));
    EXPECT_THAT(result.error, HasSubstr(directory_.path()));
    EXPECT_EQ(result.error.find('\n'), result.error.size() - 1) << result.error;
  }
  EXPECT_EQ(FileCount(), 1u);
}

// A disk that fills up, as far as a limit of the process can stand for it.
TEST_F(FileCopyTest, CopyThatFailsHalfwayLeavesNothing) {
  Make("source", Content(3 << 20));
  for (const char* way : {"read-write", "ring-fixed", "ring-fixed-direct"}) {
    const ProgramResult result =
        RunProgram({.program = "/usr/bin/prlimit",
                    .arguments = {"--fsize=1048576", ProgramPath("examples/file_copy/file_copy"),
                                  std::string("--ways=") + way, Path("source"), Path("copy")}});
    if (NotHere(result)) continue;
    EXPECT_EQ(result.exit_code, 1) << way;
    EXPECT_THAT(result.error, HasSubstr("EFBIG")) << way;
    EXPECT_EQ(FileCount(), 1u) << way;
  }
}

TEST_F(FileCopyTest, BadFlagsAreToldInOneLine) {
  Make("source", "x");
  for (const auto& [flag, why] :
       std::vector<std::pair<std::string, std::string>>{{"--ways=teleport", "no \"teleport\""},
                                                        {"--rounds=0", "from 1 to 100"},
                                                        {"--block_kb=6", "multiple of 4"},
                                                        {"--frobnicate", "no such flag"}}) {
    const ProgramResult result = Run({flag});
    EXPECT_EQ(result.exit_code, 1) << flag;
    EXPECT_THAT(result.error, HasSubstr(why));
  }
  const ProgramResult none = RunProgram({.program = "examples/file_copy/file_copy"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.error, HasSubstr("SOURCE and DESTINATION"));
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(FileCopyTest, HelpFitsAScreen) {
  const ProgramResult help =
      RunProgram({.program = "examples/file_copy/file_copy", .arguments = {"--help"}});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, StartsWith("file_copy SOURCE DESTINATION"));
  EXPECT_THAT(help.output, Not(HasSubstr("\t")));
  EXPECT_LE(std::count(help.output.begin(), help.output.end(), '\n'), 40);
}

}  // namespace
}  // namespace corewal
