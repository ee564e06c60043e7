// The log over a simulated disk: every acknowledged record is recovered, in order, exactly; nothing
// that was never appended appears. Hundreds of seeds; `--seed=N` replays one,
// `--seeds=N --first_seed=M` runs N others, from M on.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "tests/sim/wal_simulation.h"

namespace corewal {
namespace {

std::optional<uint64_t> only_seed;
uint64_t first_seed = 1;
uint64_t seeds = 400;

TEST(WalSimTest, AcknowledgedRecordsSurviveAndNothingIsInvented) {
  WalSimulation::Totals sum;
  const uint64_t first = only_seed.value_or(first_seed);
  const uint64_t last = only_seed.has_value() ? first : first + seeds - 1;
  for (uint64_t seed = first; seed <= last; ++seed) {
    WalSimulation simulation(seed);
    const std::string problem = simulation.Run();
    ASSERT_EQ(problem, "") << "seed " << seed << ", the last actions:\n"
                           << simulation.Trace()
                           << "replay: bazel run //tests/sim:wal_sim_test -- --seed=" << seed;
    const WalSimulation::Totals& totals = simulation.totals();
    sum.lives += totals.lives;
    sum.appended += totals.appended;
    sum.recovered += totals.recovered;
    sum.crashes += totals.crashes;
    sum.rolls += totals.rolls;
    sum.truncations += totals.truncations;
    sum.failures += totals.failures;
  }
  std::printf(
      "%llu lives, %llu crashes, %llu appended, %llu read back, %llu rolls, "
      "%llu truncations, %llu writers failed by injected errors\n",
      static_cast<unsigned long long>(sum.lives), static_cast<unsigned long long>(sum.crashes),
      static_cast<unsigned long long>(sum.appended), static_cast<unsigned long long>(sum.recovered),
      static_cast<unsigned long long>(sum.rolls), static_cast<unsigned long long>(sum.truncations),
      static_cast<unsigned long long>(sum.failures));
  if (only_seed.has_value()) return;
  EXPECT_GT(sum.appended, 50 * seeds) << "else the simulation has become too tame to show anything";
  EXPECT_GT(sum.rolls, seeds);
  EXPECT_GT(sum.failures, 0u);
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
  return RUN_ALL_TESTS();
}
