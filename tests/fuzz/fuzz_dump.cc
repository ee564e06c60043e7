#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "tests/fuzz/hostile_log.h"
#include "tests/fuzz/targets.h"
#include "tests/wal/temp_directory.h"
#include "tools/dump_run.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

using What = DumpOptions::What;

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  CHECK(file.good()) << path;
}

DumpOptions OptionsOf(uint8_t mode, const std::string& directory) {
  constexpr What kWhats[] = {What::kRecords,   What::kRecords, What::kSummary, What::kVerify,
                             What::kCheckAcks, What::kRepair,  What::kRecords, What::kSummary};
  constexpr DumpFormat kFormats[] = {DumpFormat::kText, DumpFormat::kJson, DumpFormat::kRaw,
                                     DumpFormat::kText};
  DumpOptions options;
  options.what = kWhats[mode % 8];
  options.format = kFormats[mode / 8 % 4];
  options.headers = (mode & 0x20) != 0;
  options.yes = (mode & 0x40) != 0;
  if ((mode & 0x80) != 0) options.filter.records_max = 3;
  if (options.what == What::kCheckAcks) options.acks_file = directory + "/acks";
  options.paths = {directory};
  return options;
}

}  // namespace

void FuzzDump(FuzzInput input) {
  const HostileLog log = HostileLog::Parse(input);
  const TempDirectory directory;
  const std::string shard = ShardDirectory(directory.path(), ShardId{});
  std::filesystem::create_directory(shard);
  for (const auto& [sequence, content] : log.files) {
    WriteFile(absl::StrCat(shard, "/", SegmentFileName(sequence)), content);
  }
  WriteFile(directory.path() + "/acks", "ACK shard=0 seq=2 lsn=4164\n");
  const DumpOptions options = OptionsOf(log.mode, directory.path());
  if (!options.Validate().ok()) return;
  const DumpExit exit = RunDump(options);
  CHECK(exit == DumpExit::kClean || exit == DumpExit::kEnvironment || exit == DumpExit::kDamaged);
}

}  // namespace corewal
