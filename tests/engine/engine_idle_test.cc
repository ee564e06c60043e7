// An engine with nothing to do does nothing: its threads sleep, with every backend.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/clock.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class EngineIdleTest : public EngineTest {
 protected:
  struct Used {
    int64_t cpu_us, wakeups;
  };
  // By all threads of the process; the test's own sleeps.
  static Used Now() {
    rusage usage;
    EXPECT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    const auto us = [](const timeval& time) {
      return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    };
    return {us(usage.ru_utime) + us(usage.ru_stime), usage.ru_nvcsw};
  }
};

TEST_P(EngineIdleTest, SleepsForFiveSeconds) {
  constexpr uint32_t kShards = 4;
  Open(options(kShards));
  for (uint32_t shard = 0; shard < kShards; ++shard) AppendAndWait(shard, "then nothing");
  ASSERT_OK(engine().Barrier(absl::Seconds(60)).status());
  // What comes by itself after the last record: a seal on each shard.
  const MonotonicNs deadline = Clock::System().Now() + 60'000'000'000;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    while (engine().info(ShardId{shard}).writer.seals == 0 && Clock::System().Now() < deadline) {
      Clock::System().SleepUntil(Clock::System().Now() + 20'000'000);
    }
    EXPECT_GT(engine().info(ShardId{shard}).writer.seals, 0u);
  }
  Clock::System().SleepUntil(Clock::System().Now() + 200'000'000);
  const Used before = Now();
  Clock::System().SleepUntil(Clock::System().Now() + 5'000'000'000);
  const Used after = Now();
  std::printf("%lld us of CPU, %lld wakeups\n",
              static_cast<long long>(after.cpu_us - before.cpu_us),
              static_cast<long long>(after.wakeups - before.wakeups));
  EXPECT_LT(after.cpu_us - before.cpu_us, 25'000) << "0.5 % of a core";
  EXPECT_LE(after.wakeups - before.wakeups, 20);
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineIdleTest,
                         testing::Values(EngineSetting{IoBackend::kPosix, SyncMethod::kDatasync},
                                         EngineSetting{IoBackend::kUring, SyncMethod::kDsync}),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
