// The engine's simulation has teeth: each mutation of the engine (base/mutation.h) is caught within
// 1000 seeds, by the promise that it breaks. `engine_mutation_test --table` prints the table of
// tests/README.md.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>

#include "absl/strings/match.h"
#include "base/mutation.h"
#include "tests/sim/mutant_run.h"

namespace corewal {
namespace {

constexpr char kSimulate[] = "tests/sim/simulate_mutated";
constexpr uint64_t kSeedsMax = 1000;
constexpr int kSecondsMax = 120;  // far more than 1000 seeds take

// What stops a broken engine. Several may be possible: which comes first depends on the seed.
enum Catcher : uint8_t {
  kGone = 1,       // something that was answered, or an epoch that was published, is not there
  kHalf = 2,       // an atomic batch is there in part
  kCut = 4,        // a cut is not closed
  kBack = 8,       // what an opening did not find is there at a later one
  kInvariant = 16  // a CHECK
};

struct Variant {
  Mutation mutation;
  const char* name;
  const char* what;
  uint8_t catchers;
};
void PrintTo(const Variant& variant, std::ostream* os) { *os << variant.name; }

constexpr Variant kVariants[] = {
    {Mutation::kAtomicAckedByHome, "atomic_acked_by_home",
     "an atomic batch is answered when its home is appended", kGone},
    {Mutation::kIdleShardSkipsBarrier, "idle_shard_skips_barrier",
     "a shard without new records reports a barrier that it did not write", kGone | kCut},
    {Mutation::kHomeTruncatedTooEarly, "home_truncated_too_early",
     "truncation does not record first that the batches are decided", kHalf | kGone},
    {Mutation::kIncompleteBatchReplayed, "incomplete_batch_replayed",
     "recovery hides nothing of a batch that is not complete", kHalf},
    {Mutation::kEpochPublishedByFirst, "epoch_published_by_first",
     "an epoch counts as durable when the first shard's barrier is", kGone},
    {Mutation::kBarrierBeforeMessages, "barrier_before_messages",
     "the barrier is appended ahead of what waits in the mailbox", kCut | kInvariant},
    {Mutation::kEpochTagIgnored, "epoch_tag_ignored",
     "a record whose producer had seen a later epoch lands before that epoch's barrier", kCut},
    {Mutation::kPartPlaceNotChecked, "part_place_not_checked",
     "a part counts as there if its log reaches beyond its LSN", kHalf | kBack},
    {Mutation::kVoidEpochReused, "void_epoch_reused",
     "an epoch cut short by a crash may still become complete", kCut | kInvariant},
    {Mutation::kFloorPassesUndecided, "floor_passes_undecided",
     "the floors do not wait for batches that are under way", kHalf | kGone},
};

uint8_t CatcherOf(const std::string& line) {
  if (absl::StrContains(line, ": aborted")) return kInvariant;
  if (absl::StrContains(line, "the cut of epoch")) return kCut;
  if (absl::StrContains(line, "records are there") || absl::StrContains(line, "was refused and")) {
    return kHalf;
  }
  if (absl::StrContains(line, "was not there once")) return kBack;
  if (absl::StrContains(line, "is gone") || absl::StrContains(line, "was durable; recovered")) {
    return kGone;
  }
  return 0;
}

const char* CatcherName(uint8_t catcher) {
  switch (catcher) {
    case kGone:
      return "oracle: what was answered or published is not there";
    case kHalf:
      return "oracle: an atomic batch is there in part";
    case kCut:
      return "oracle: a cut that is not closed";
    case kBack:
      return "oracle: what was lost at one opening is there at the next";
    case kInvariant:
      return "a CHECK";
    default:
      return "NOT CAUGHT";
  }
}

MutantOutcome Try(const Variant& variant) {
  return RunMutant({.program = kSimulate,
                    .mutation = static_cast<int>(variant.mutation),
                    .seeds_max = kSeedsMax,
                    .seconds_max = kSecondsMax,
                    .arguments = {"--engine", "--seed_seconds=10"}});
}

class EngineMutationTest : public testing::TestWithParam<Variant> {};

TEST_P(EngineMutationTest, IsCaught) {
  const MutantOutcome caught = Try(GetParam());
  ASSERT_FALSE(caught.timed_out) << "it did not end in " << kSecondsMax << " s";
  ASSERT_NE(caught.seed, 0u) << "survived " << kSeedsMax << " seeds";
  std::printf("%s\n", caught.how.c_str());
  const uint8_t by = CatcherOf(caught.how);
  EXPECT_NE(by & GetParam().catchers, 0) << "caught by " << CatcherName(by) << ": " << caught.how;
}

INSTANTIATE_TEST_SUITE_P(Variant, EngineMutationTest, testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

int PrintTable() {
  std::printf("| mutation | what is broken | caught by | seeds to catch |\n|---|---|---|---|\n");
  bool all = true;
  for (const Variant& variant : kVariants) {
    const MutantOutcome caught = Try(variant);
    all &= caught.seed != 0;
    std::printf("| `%s` | %s | %s | %llu |\n", variant.name, variant.what,
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
