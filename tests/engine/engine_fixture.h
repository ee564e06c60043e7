// tests/engine/engine_fixture.h: a directory for an engine, small settings, and the steps that
// every engine test takes.
#ifndef COREWAL_TESTS_ENGINE_ENGINE_FIXTURE_H_
#define COREWAL_TESTS_ENGINE_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "tests/wal/temp_directory.h"

#define ASSERT_OK(expression) ASSERT_TRUE(::corewal::IsOk(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::corewal::IsOk(expression))

namespace corewal {

inline testing::AssertionResult IsOk(const absl::Status& status) {
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status;
}

struct EngineSetting {
  IoBackend backend = IoBackend::kPosix;
  SyncMethod sync_method = SyncMethod::kDatasync;
};
inline IoBackend OtherBackend(IoBackend backend) {
  return backend == IoBackend::kPosix ? IoBackend::kUring : IoBackend::kPosix;
}
std::vector<EngineSetting> AllEngineSettings();
std::string EngineSettingName(const testing::TestParamInfo<EngineSetting>& info);
// OK, or why this machine has no such backend.
absl::Status CanHave(IoBackend backend);

struct Replayed {
  Lsn lsn;
  std::string text;
  friend bool operator==(const Replayed&, const Replayed&) = default;
};
void PrintTo(const Replayed& record, std::ostream* os);

absl::Span<const std::byte> BytesOf(const std::string& text);
std::string TextOf(absl::Span<const std::byte> bytes);

class EngineTest : public testing::TestWithParam<EngineSetting> {
 protected:
  // Skips where the parameter's backend is not to be had.
  void SetUp() override;

  // Small buffers and segments; the parameter's backend and method.
  EngineOptions options(uint32_t shards = 1) const;
  std::string directory() const { return directory_.path() + "/log"; }

  void Open(const EngineOptions& options);
  void Close();
  void Reopen(const EngineOptions& options) {
    Close();
    Open(options);
  }
  Engine& engine() { return *engine_; }

  // Appends and waits until durable.
  Lsn AppendAndWait(uint32_t shard, const std::string& text);
  // What Replay hands out; expects a good end.
  std::vector<Replayed> Replay(uint32_t shard, Lsn from = {});
  std::vector<std::string> ReplayTexts(uint32_t shard);

  // Every file of the log, with its size, as text.
  std::vector<std::string> FilesOnDisk() const;
  std::vector<std::string> SegmentPaths(uint32_t shard) const;

  std::unique_ptr<Engine> engine_;

 private:
  TempDirectory directory_;
};

// Runs `body` in a forked child, where it may use gtest's expectations; fails if one of them did or
// if the child did not end by itself. This process should have one thread.
void RunInChild(const std::function<void()>& body);

}  // namespace corewal

#endif  // COREWAL_TESTS_ENGINE_ENGINE_FIXTURE_H_
