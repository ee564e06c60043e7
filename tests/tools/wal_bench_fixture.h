// tests/tools/wal_bench_fixture.h: runs the built wal-bench and wal-dump the way users do, by a
// shell, in a directory of the test's own.
#ifndef COREWAL_TESTS_TOOLS_WAL_BENCH_FIXTURE_H_
#define COREWAL_TESTS_TOOLS_WAL_BENCH_FIXTURE_H_

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/wal/temp_directory.h"

namespace corewal {

std::string ReadWholeFile(const std::string& path);
std::vector<std::string> Lines(const std::string& text);
// The value of a key in one of our flat JSON objects, as text; "absent".
std::string JsonValue(const std::string& json, const std::string& key);

struct Ended {
  int exit_code;
  std::string out, err;
};

class WalBenchFixture : public testing::Test {
 protected:
  // The working directory, and where the log goes, below it.
  const std::string& root() const { return temp_.path(); }
  std::string dir() const { return root() + "/log"; }

  static std::string Tool(const std::string& name);
  Ended Shell(const std::string& command);
  Ended Bench(const std::string& flags) { return Shell(Tool("wal-bench") + " " + flags); }
  // Small and quick: no floor, no probing, small segments.
  std::string Quick() const {
    return " --dir=" + dir() + " --floor=off --sync=datasync --segment_mb=1 ";
  }
  Ended Raw() { return Shell(Tool("wal-dump") + " --format=raw " + dir()); }
  // The path of a file with this content.
  std::string Input(const std::string& content);

 private:
  TempDirectory temp_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_TOOLS_WAL_BENCH_FIXTURE_H_
