// The simulation has teeth: each mutation of the code is caught within 1000 seeds, by the part that
// is meant to. `mutation_test --table` prints the table of tests/README.md.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/sim/mutants.h"

namespace corewal {
namespace {

constexpr char kSimulate[] = "tests/sim/simulate_mutated";
constexpr int kSeedsMax = 1000;

struct Caught {
  uint64_t seed = 0;  // 0: not at all
  uint8_t by = 0;
  std::string how;  // the first line of the report
};

uint8_t CatcherOf(const std::string& line) {
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
    default:
      return "NOT CAUGHT";
  }
}

Caught RunMutant(const Mutant& mutant) {
  const std::string command =
      absl::StrCat("exec ", kSimulate, " --mutation=", static_cast<int>(mutant.mutation),
                   " --seeds=", kSeedsMax, " --stop 2>&1");
  Caught caught;
  FILE* const output = popen(command.c_str(), "r");
  if (output == nullptr) return caught;
  char line[4096];
  while (fgets(line, sizeof(line), output) != nullptr) {
    absl::string_view text(line);
    if (caught.seed != 0 || !absl::ConsumePrefix(&text, "FAILED seed ")) continue;
    caught.how = line;
    caught.by = CatcherOf(line);
    if (!absl::SimpleAtoi(text.substr(0, text.find(':')), &caught.seed)) caught.seed = 0;
  }
  pclose(output);
  return caught;
}

class MutationTest : public testing::TestWithParam<Mutant> {};

TEST_P(MutationTest, IsCaught) {
  const Caught caught = RunMutant(GetParam());
  ASSERT_NE(caught.seed, 0u) << "survived " << kSeedsMax << " seeds";
  std::printf("seed %llu: %s", static_cast<unsigned long long>(caught.seed), caught.how.c_str());
  EXPECT_NE(caught.by & GetParam().catchers, 0)
      << "caught by " << CatcherName(caught.by) << ": " << caught.how;
}

INSTANTIATE_TEST_SUITE_P(Mutant, MutationTest, testing::ValuesIn(kMutants),
                         [](const auto& mutant) { return std::string(mutant.param.name); });

int PrintTable() {
  std::printf("| mutation | what is broken | caught by | seeds to catch |\n|---|---|---|---|\n");
  bool all = true;
  for (const Mutant& mutant : kMutants) {
    const Caught caught = RunMutant(mutant);
    all &= caught.seed != 0;
    std::printf("| `%s` | %s | %s | %llu |\n", mutant.name, mutant.what, CatcherName(caught.by),
                static_cast<unsigned long long>(caught.seed));
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
