// The engine's simulation has teeth: each deliberately broken variant (engine/mutation.h) is caught
// within a thousand seeds, by an answer that was wrong or by a CHECK.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>

#include "engine/mutation.h"
#include "tests/sim/engine_simulation.h"

namespace corewal {
namespace {

constexpr uint64_t kSeedsMax = 1000;

struct Variant {
  EngineMutation mutation;
  const char* name;
};
void PrintTo(const Variant& variant, std::ostream* os) { *os << variant.name; }

class EngineMutationTest : public testing::TestWithParam<Variant> {};

// In a child, since a CHECK that fails ends the process.
TEST_P(EngineMutationTest, IsCaught) {
  std::fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    SetMutation(GetParam().mutation);
    for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
      EngineSimulation simulation(seed);
      const std::string problem = simulation.Run();
      if (problem.empty()) continue;
      std::printf("%s: seed %llu: %s\n", GetParam().name, static_cast<unsigned long long>(seed),
                  problem.c_str());
      std::fflush(stdout);
      _exit(0);
    }
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const bool check_failed = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  EXPECT_TRUE(check_failed || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
      << "nothing was noticed in " << kSeedsMax << " seeds";
}

constexpr Variant kVariants[] = {
    {EngineMutation::kAtomicAckedByHome, "AtomicAckedByHome"},
    {EngineMutation::kIdleShardSkipsBarrier, "IdleShardSkipsBarrier"},
    {EngineMutation::kHomeTruncatedTooEarly, "HomeTruncatedTooEarly"},
    {EngineMutation::kIncompleteBatchReplayed, "IncompleteBatchReplayed"},
    {EngineMutation::kEpochPublishedByFirst, "EpochPublishedByFirst"},
    {EngineMutation::kBarrierBeforeMessages, "BarrierBeforeMessages"},
    {EngineMutation::kEpochTagIgnored, "EpochTagIgnored"},
    {EngineMutation::kPartPlaceNotChecked, "PartPlaceNotChecked"},
    {EngineMutation::kVoidEpochReused, "VoidEpochReused"},
    {EngineMutation::kFloorPassesUndecided, "FloorPassesUndecided"},
};

INSTANTIATE_TEST_SUITE_P(Variants, EngineMutationTest, testing::ValuesIn(kVariants),
                         [](const testing::TestParamInfo<Variant>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace corewal
