#include "tools/compared_rounds.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A round of commits: so many records in a second.
BenchResult Round(uint64_t records, uint64_t latency_ns = 1000) {
  BenchResult round;
  round.workload = Workload::kCommit;
  round.io = "posix";
  round.seconds = 1;
  round.records = records;
  round.payload_bytes = records * 100;
  round.cpu_us_per_record = 2;
  round.floor_commits_per_s = 1000;
  round.floor_ratios = {static_cast<double>(records) / 1000};
  round.verified_records = records;
  round.verify_errors = 0;
  round.latency_ns.Record(latency_ns);
  round.series.Add({1, records, records * 100, 1});
  round.series.slice_ends = {1};
  return round;
}

TEST(ComparedRoundsTest, TheMedianAndTheSpreadAreOfTheRounds) {
  const ComparedRounds rounds{"io=a", {Round(100), Round(300), Round(110)}};
  EXPECT_THAT(rounds.rates(), ElementsAre(100, 300, 110));
  EXPECT_DOUBLE_EQ(rounds.median_rate(), 110);
  EXPECT_DOUBLE_EQ(rounds.spread(), 200.0 / 110);
  EXPECT_DOUBLE_EQ((ComparedRounds{"io=a", {Round(100)}}.spread()), 0);
}

TEST(ComparedRoundsTest, MergedRoundsAreOneLongRun) {
  BenchResult bad = Round(30, 9000);
  bad.verify_errors = 2;
  bad.first_verify_error = "wrong";
  const BenchResult all = ComparedRounds{"io=a", {Round(10), Round(20), bad}}.Merged();
  EXPECT_EQ(all.records, 60u);
  EXPECT_DOUBLE_EQ(all.records_per_s(), 20);
  EXPECT_EQ(*all.verified_records, 60u);
  EXPECT_FALSE(all.verified());
  EXPECT_EQ(all.first_verify_error, "wrong");
  EXPECT_DOUBLE_EQ(*all.cpu_us_per_record, 2);
  EXPECT_EQ(all.latency_ns.count(), 3u);
  EXPECT_DOUBLE_EQ(*all.max_us, 9);
  EXPECT_THAT(all.floor_ratios, ElementsAre(0.01, 0.02, 0.03));
  ASSERT_EQ(all.series.samples.size(), 4u);
  EXPECT_DOUBLE_EQ(all.series.samples[3].at_s, 3);
  EXPECT_EQ(all.series.samples[3].records, 60u);
  EXPECT_EQ(all.series.samples[3].rolls, 3u);
  EXPECT_THAT(all.series.slice_ends, ElementsAre(1, 2, 3));
}

TEST(ComparedRoundsTest, NoiseIsToldAndSteadyRoundsAreNot) {
  const ComparedRounds slow{"io=a", {Round(100), Round(101), Round(102)}};
  const ComparedRounds fast{"io=b", {Round(200), Round(201), Round(202)}};
  EXPECT_THAT(NoiseWarnings({slow, fast}), IsEmpty());
  const ComparedRounds noisy{"io=c", {Round(90), Round(250), Round(300)}};
  const std::vector<std::string> warnings = NoiseWarnings({slow, noisy});
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_THAT(warnings[0], HasSubstr("the rounds of io=c differ by 84 %"));
  EXPECT_THAT(warnings[1], HasSubstr("io=a and io=c overlap"));
}

TEST(ComparedRoundsTest, TheTableSetsThemSideBySide) {
  const std::string table =
      CompareTable({{"io=a", {Round(100), Round(102)}},
                    {"dir=/a/very/long/path/that/does/not/fit", {Round(202), Round(202)}}});
  EXPECT_THAT(table, HasSubstr("io=a"));
  EXPECT_THAT(table, HasSubstr("..at/does/not/fit\n"));
  EXPECT_THAT(table, HasSubstr("records a second                       101               202\n"));
  EXPECT_THAT(table, HasSubstr("of the first                        1.00              2.00\n"));
}

TEST(ComparedRoundsTest, WarningsAreOfEveryValueAndSayOfWhich) {
  BenchResult busy = Round(20'000);
  busy.other_cpus = 1;
  const std::vector<BenchOptions> options(3, BenchOptions(*LengthDistribution::Parse("100")));
  const std::vector<std::string> one = RunWarnings(
      {{"io=a", {Round(20'000)}}, {"io=b", {busy}}, {"io=c", {Round(20'000)}}}, options);
  ASSERT_THAT(one, testing::SizeIs(2));
  EXPECT_THAT(one[0], HasSubstr("latencies were taken")) << "few of all of them";
  EXPECT_THAT(one[1], StartsWith("io=b: other programs kept"));
  const std::vector<std::string> two =
      RunWarnings({{"io=a", {busy}}, {"io=b", {Round(20'000)}}, {"io=c", {busy}}}, options);
  EXPECT_THAT(two[0], StartsWith("io=a, io=c: other programs kept"));
}

}  // namespace
}  // namespace corewal
