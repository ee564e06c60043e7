// The engine over a simulated disk, several shards: epochs and atomic batches through crashes.
// Two thousand seeds (fewer under a sanitizer), and one short story cut off before each of its
// actions; `--seed=N` replays one, `--seeds=N --first_seed=M` runs others.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/sim/engine_simulation.h"
#include "tests/sim/simulation_run.h"

namespace corewal {
namespace {

std::optional<uint64_t> only_seed;
uint64_t first_seed = 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
uint64_t seeds = 60;  // of all parts
#else
uint64_t seeds = 2000;
#endif

constexpr uint64_t kParts = 4;

class EngineSimPartTest : public testing::TestWithParam<uint64_t> {};

TEST_P(EngineSimPartTest, BatchesAreWholeAndCutsAreClosedAfterEveryCrash) {
  if (only_seed.has_value() && GetParam() > 0) GTEST_SKIP() << "one seed was asked for";
  EngineSimulation::Totals sum;
  const uint64_t count = only_seed.has_value() ? 1 : (seeds + kParts - 1) / kParts;
  const uint64_t first = only_seed.value_or(first_seed + GetParam() * count);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const EngineSimulationOutcome outcome = RunEngineSimulation(seed);
    ASSERT_EQ(outcome.failure, "");
    sum.Add(outcome.totals);
  }
  std::printf("%s\n", sum.ToString().c_str());
  if (count < 100) return;
  EXPECT_GT(sum.batches, 10 * count) << "else the simulation has become too tame to show anything";
  EXPECT_GT(sum.incomplete, count / 10);
  EXPECT_GT(sum.cuts_checked, count / 2);
  EXPECT_GT(sum.cursors, count);
  EXPECT_GT(sum.failed_shards, count / 30);
  EXPECT_GT(sum.full_openings, count / 10);
  EXPECT_GT(sum.drained, count / 10);
}

INSTANTIATE_TEST_SUITE_P(Part, EngineSimPartTest, testing::Range(uint64_t{0}, kParts));

TEST(EngineSimTest, ShortStoryMayEndBeforeAnyOfItsActions) {
  if (only_seed.has_value()) GTEST_SKIP() << "one seed was asked for";
  for (const SimCrash mode : {SimCrash::kPowerLoss, SimCrash::kProcessKill}) {
    uint64_t actions = 0;
    ASSERT_EQ(EngineSimulation(1).RunScript(0, mode, &actions), "");
    for (uint64_t crash_at = 1; crash_at <= actions; ++crash_at) {
      uint64_t ignored = 0;
      EngineSimulation simulation(1);
      const std::string problem = simulation.RunScript(crash_at, mode, &ignored);
      ASSERT_EQ(problem, "") << "cut off before action " << crash_at << " of " << actions << "\n"
                             << simulation.Trace();
    }
    std::printf("%llu actions\n", static_cast<unsigned long long>(actions));
  }
}

}  // namespace

void TakeFlag(absl::string_view argument) {
  uint64_t value = 0;
  const auto is = [&](absl::string_view name) {
    absl::string_view text = argument;
    return absl::ConsumePrefix(&text, name) && absl::SimpleAtoi(text, &value);
  };
  if (is("--seed=")) only_seed = value;
  if (is("--first_seed=")) first_seed = value;
  if (is("--seeds=")) seeds = value;
}

}  // namespace corewal

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) corewal::TakeFlag(argv[i]);
  corewal::ReportSimulationOnAbort();
  return RUN_ALL_TESTS();
}
