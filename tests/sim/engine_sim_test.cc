// The engine over a simulated disk, several shards: epochs and atomic batches through crashes.
// Hundreds of seeds (fewer under a sanitizer), and one short story cut off before each of its
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
uint64_t seeds = 60;
#else
uint64_t seeds = 300;
#endif

TEST(EngineSimTest, BatchesAreWholeAndCutsAreClosedAfterEveryCrash) {
  EngineSimulation::Totals sum;
  const uint64_t first = only_seed.value_or(first_seed);
  const uint64_t last = only_seed.has_value() ? first : first + seeds - 1;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const EngineSimulationOutcome outcome = RunEngineSimulation(seed);
    ASSERT_EQ(outcome.failure, "");
    sum.Add(outcome.totals);
  }
  std::printf("%s\n", sum.ToString().c_str());
  if (only_seed.has_value()) return;
  EXPECT_GT(sum.batches, 10 * seeds) << "else the simulation has become too tame to show anything";
  EXPECT_GT(sum.incomplete, seeds / 10);
  EXPECT_GT(sum.cuts_checked, seeds);
}

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
