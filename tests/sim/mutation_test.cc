// The simulation has teeth: each mutation of the code is caught within 1000 seeds, by the part that
// is meant to. `mutation_test --table` prints the table of tests/README.md.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "tests/sim/mutant_run.h"
#include "tests/sim/mutants.h"

namespace corewal {
namespace {

constexpr char kSimulate[] = "tests/sim/simulate_mutated";
constexpr uint64_t kSeedsMax = 1000;
constexpr int kSecondsMax = 120;  // far more than 1000 seeds take

// By the line that tells of the failed seed.
uint8_t CatcherOf(const std::string& line) {
  if (absl::StrContains(line, ": WRONG: the follower")) return kFollower;
  if (absl::StrContains(line, ": LOST: ")) return kLost;
  if (absl::StrContains(line, ": WRONG: ") || absl::StrContains(line, "reading from")) {
    return kWrong;
  }
  if (absl::StrContains(line, "DATA_LOSS: ")) return kRefused;
  if (absl::StrContains(line, "callbacks out of LSN order")) return kOrder;
  if (absl::StrContains(line, ": aborted")) return kInvariant;
  return 0;
}

const char* CatcherName(uint8_t catcher) {
  switch (catcher) {
    case kLost:
      return "oracle: an acknowledged record is lost";
    case kWrong:
      return "oracle: a record that is not right";
    case kRefused:
      return "recovery refuses what an honest device kept";
    case kOrder:
      return "callbacks out of order";
    case kInvariant:
      return "a CHECK";
    case kFollower:
      return "a follower";
    default:
      return "NOT CAUGHT";
  }
}

MutantOutcome Try(const Mutant& mutant) {
  return RunMutant({.program = kSimulate,
                    .mutation = static_cast<int>(mutant.mutation),
                    .seeds_max = kSeedsMax,
                    .seconds_max = kSecondsMax});
}

class MutationTest : public testing::TestWithParam<Mutant> {};

TEST_P(MutationTest, IsCaught) {
  const MutantOutcome caught = Try(GetParam());
  ASSERT_FALSE(caught.timed_out) << "it did not end in " << kSecondsMax << " s";
  ASSERT_NE(caught.seed, 0u) << "survived " << kSeedsMax << " seeds";
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(caught.seed), caught.how.c_str());
  const uint8_t by = CatcherOf(caught.how);
  EXPECT_NE(by & GetParam().catchers, 0) << "caught by " << CatcherName(by) << ": " << caught.how;
}

// What mutants are compared with, and what a mutant's silence is worth: the same program unbroken.
TEST(MutationSelfTest, NothingIsCaughtWhereNothingIsBroken) {
  const MutantOutcome whole = RunMutant({.program = kSimulate, .mutation = 0, .seeds_max = 50});
  EXPECT_TRUE(whole.ended_well);
  EXPECT_EQ(whole.seed, 0u) << whole.how;
}

TEST(MutationSelfTest, ProgramThatDoesNotEndIsStopped) {
  const MutantOutcome endless =
      RunMutant({.program = kSimulate, .mutation = 0, .seeds_max = UINT64_MAX, .seconds_max = 1});
  EXPECT_TRUE(endless.timed_out);
  EXPECT_EQ(endless.seed, 0u) << endless.how;
}

INSTANTIATE_TEST_SUITE_P(Mutant, MutationTest, testing::ValuesIn(kMutants),
                         [](const auto& mutant) { return std::string(mutant.param.name); });

int PrintTable() {
  std::printf("| mutation | what is broken | caught by | seeds to catch |\n|---|---|---|---|\n");
  bool all = true;
  for (const Mutant& mutant : kMutants) {
    const MutantOutcome caught = Try(mutant);
    all &= caught.seed != 0;
    std::printf("| `%s` | %s | %s | %llu |\n", mutant.name, mutant.what,
                CatcherName(CatcherOf(caught.how)), static_cast<unsigned long long>(caught.seed));
  }
  return all ? 0 : 1;
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && std::string(argv[1]) == "--table") return corewal::PrintTable();
  return RUN_ALL_TESTS();
}
