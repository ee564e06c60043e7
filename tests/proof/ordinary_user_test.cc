// The whole log, as it is opened by default, in the hands of an ordinary user with the usual 8 MiB
// of RLIMIT_MEMLOCK: everything works, and each shard says how.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "io_backend/machine_probe.h"
#include "tests/io_backend/storage_io_fixture.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr uid_t kNobody = 65534;
constexpr uint64_t kMemlockBytes = 8u << 20;
constexpr uint32_t kShards = 3;
constexpr int kRecords = 300;

// In a child: from now on that user, in a directory of its own that it reaches by no path.
void BecomeNobodyIn(const std::string& directory) {
  ASSERT_EQ(chown(directory.c_str(), kNobody, kNobody), 0) << strerror(errno);
  ASSERT_EQ(chdir(directory.c_str()), 0) << strerror(errno);
  const rlimit limit = {.rlim_cur = kMemlockBytes, .rlim_max = kMemlockBytes};
  ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
  ASSERT_EQ(setresgid(kNobody, kNobody, kNobody), 0);
  ASSERT_EQ(setresuid(kNobody, kNobody, kNobody), 0);
  ASSERT_FALSE(ProbeMachine().memlock_exempt);
}

std::unique_ptr<Engine> Open() {
  auto engine = Engine::Open({.directory = "log", .shards = kShards});
  EXPECT_OK(engine.status());
  return engine.ok() ? *std::move(engine) : nullptr;
}

std::string Record(uint32_t shard, int number) {
  return std::to_string(shard) + ":" + std::to_string(number) +
         std::string(static_cast<size_t>(number % 7) * 3000, 'r');
}

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

void AppendAll(Engine& engine) {
  std::vector<AppendFuture> futures;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    for (int i = 0; i < kRecords; ++i) {
      auto future = engine.Append(ShardId{shard}, Bytes(Record(shard, i)));
      while (absl::IsResourceExhausted(future.status())) {
        future = engine.Append(ShardId{shard}, Bytes(Record(shard, i)));
      }
      ASSERT_OK(future.status());
      futures.push_back(*std::move(future));
    }
  }
  for (AppendFuture& future : futures) ASSERT_OK(future.Wait().status());
}

TEST(OrdinaryUserTest, LogWorksWithinEightMebibytesOfMemlockAndSaysHow) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become an ordinary user";
  const TempDirectory directory;
  RunInChild([&] {
    ASSERT_NO_FATAL_FAILURE(BecomeNobodyIn(directory.path()));
    {
      const auto engine = Open();
      ASSERT_NE(engine, nullptr);
      AppendAll(*engine);
      uint32_t registered = 0, reasons = 0;
      for (uint32_t shard = 0; shard < kShards; ++shard) {
        const IoCapabilities io = engine->info(ShardId{shard}).io;
        registered += io.buffers_registered * (io.buffer_bytes >> 10);
        if (io.backend == "uring" && io.buffers_registered == io.buffers) continue;
        ++reasons;
        EXPECT_THAT(io.fallback_reasons, Contains(HasSubstr("ulimit -l"))) << "shard " << shard;
      }
      if (ProbeMachine().io_uring_allowed) {
        EXPECT_LE(registered, kMemlockBytes >> 10);
        EXPECT_GT(reasons, 0u) << "three shards of 8 MiB each do not fit";
      }
      ASSERT_OK(engine->Close());
    }
    const auto engine = Open();
    ASSERT_NE(engine, nullptr);
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      auto replay = engine->Replay(ShardId{shard});
      ASSERT_OK(replay.status());
      RecordView record;
      int number = 0;
      for (; (*replay)->Next(&record); ++number) {
        const std::string expected = Record(shard, number);
        ASSERT_TRUE(record.payload == Bytes(expected)) << "record " << number;
      }
      ASSERT_OK((*replay)->status());
      EXPECT_EQ(number, kRecords);
    }
    ASSERT_OK(engine->Close());
  });
}

}  // namespace
}  // namespace corewal
