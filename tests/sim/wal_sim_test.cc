// The log over a simulated disk: every acknowledged record is recovered, in order, exactly; nothing
// that was never appended appears. Thousands of seeds here, others with `simulate` and `./dev
// soak`.
#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <string>

#include "tests/sim/simulation_run.h"

namespace corewal {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeedsPerPart = 60;
#else
constexpr uint64_t kSeedsPerPart = 500;
#endif
constexpr uint64_t kParts = 8;

// Parts, so that the test can be sharded.
class WalSimTest : public testing::TestWithParam<uint64_t> {};

TEST_P(WalSimTest, AcknowledgedRecordsSurviveAndNothingIsInvented) {
  WalSimulation::Totals sum;
  const uint64_t first = 1 + GetParam() * kSeedsPerPart;
  for (uint64_t seed = first; seed < first + kSeedsPerPart; ++seed) {
    const SimulationOutcome outcome = RunSimulation(seed);
    ASSERT_EQ(outcome.failure, "");
    sum.Add(outcome.totals);
  }
  std::printf("%s\n", sum.ToString().c_str());
  // Else the simulation has become too tame to show anything.
  EXPECT_GT(sum.appended, 50 * kSeedsPerPart);
  EXPECT_GT(sum.rolls, kSeedsPerPart);
  EXPECT_GT(sum.spanning, kSeedsPerPart);
  EXPECT_GT(sum.streamed, kSeedsPerPart / 2);
  EXPECT_GT(sum.given_up, kSeedsPerPart / 2);
  EXPECT_GT(sum.seals, kSeedsPerPart);
  EXPECT_GT(sum.truncations, kSeedsPerPart);
  EXPECT_GT(sum.failures, 0u);
  EXPECT_GT(sum.rot_reported, 0u);
  EXPECT_GT(sum.cursors_set, kSeedsPerPart);
  if (kSeedsPerPart < 500) return;  // too few for what is rare
  EXPECT_GT(sum.cuts, 0u);
  EXPECT_GT(sum.holes, 0u);
  EXPECT_GT(sum.cursors_invalidated, 0u);
  EXPECT_GT(sum.limited, 0u);
}

INSTANTIATE_TEST_SUITE_P(Part, WalSimTest, testing::Range(uint64_t{0}, kParts));

TEST(WalSimDeterminismTest, SameSeedDoesTheSameToTheByte) {
  std::set<uint64_t> digests;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const SimulationOutcome once = RunSimulation(seed);
    const SimulationOutcome again = RunSimulation(seed);
    EXPECT_EQ(once.digest, again.digest) << "seed " << seed;
    digests.insert(once.digest);
  }
  EXPECT_EQ(digests.size(), 20u) << "and another seed does something else";
}

// No log can keep its word on a device that breaks its own. What it must not do then is invent
// records; and the oracle must see what is lost, or it would see nothing on a good device either.
class BrokenDeviceTest : public testing::TestWithParam<SimFault> {
 protected:
  WalSimulation::Totals Run() {
    WalSimulation::Totals sum;
    for (uint64_t seed = 1; seed <= kSeedsPerPart; ++seed) {
      const SimulationOutcome outcome = RunSimulation(seed, GetParam());
      EXPECT_EQ(outcome.failure, "");
      sum.Add(outcome.totals);
    }
    std::printf("%s\n", sum.ToString().c_str());
    return sum;
  }
};

TEST_P(BrokenDeviceTest, IsNoticedAndNothingIsInvented) {
  const WalSimulation::Totals sum = Run();
  EXPECT_GT(sum.damage_reported + sum.lost, 0u);
}

INSTANTIATE_TEST_SUITE_P(Fault, BrokenDeviceTest,
                         testing::Values(SimFault::kLyingSync, SimFault::kLostDirectoryEntry,
                                         SimFault::kMisdirectedWrite, SimFault::kBitRot),
                         [](const auto& fault) { return std::string(SimFaultName(fault.param)); });

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  corewal::ReportSimulationOnAbort();
  return RUN_ALL_TESTS();
}
