// tests/tools/wal_dump_fixture.h: a log's directory, and the built wal-dump to run on it.
//
// Every run also checks that wal-dump wrote nothing.
#ifndef COREWAL_TESTS_TOOLS_WAL_DUMP_FIXTURE_H_
#define COREWAL_TESTS_TOOLS_WAL_DUMP_FIXTURE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"

namespace corewal {

inline constexpr char kDump[] = "tools/wal-dump";

// What wal-bench makes as record `seq` of the shard.
std::string MadeRecord(uint32_t shard, uint64_t seq, size_t length = 100);

class WalDumpFixture : public testing::Test {
 protected:
  std::string log() const { return temp_.path() + "/log"; }
  std::string shard(uint32_t number) const;
  std::string segment(uint64_t sequence) const;  // of shard 0

  // Writes `builder` as a shard of the log; its segments say that they are that shard's.
  void Write(LogBuilder* builder, uint32_t number = 0);
  void WriteFile(const std::string& path, const std::string& content);

  // Three batches of four made records in one segment, closed or not.
  static LogBuilder MadeLog(bool sealed = true);
  // ACK lines for the first `count` records of `builder`.
  static std::string AcksFor(const LogBuilder& builder, size_t count);

  ProgramResult Dump(const std::vector<std::string>& arguments, const std::string& input = "");
  // Runs it where one line on standard error must say all, with exit 1; returns that line.
  std::string Refusal(const std::vector<std::string>& arguments);

  // Every path below the temporary directory, with its content.
  std::map<std::string, std::string> Tree() const;

  TempDirectory temp_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_TOOLS_WAL_DUMP_FIXTURE_H_
