// What an engine counts, against traffic that is known; and the text for scrapers.
#include "engine/metrics.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/prometheus_text.h"

namespace corewal {
namespace {

using Families = std::map<std::string, PrometheusFamily>;

Families Parsed(const EngineMetrics& metrics) {
  absl::StatusOr<Families> families = ParsePrometheusText(metrics.ToPrometheus());
  EXPECT_OK(families.status());
  return families.ok() ? *std::move(families) : Families{};
}

// The one sample of `name` whose labels hold `labels`; fails if there is none or more than one.
double ValueOf(const Families& families, const std::string& name, const PrometheusLabels& labels) {
  std::vector<double> found;
  for (const auto& [family_name, family] : families) {
    for (const PrometheusFamily::Sample& sample : family.samples) {
      bool fits = sample.name == name;
      for (const auto& [label, value] : labels) {
        const auto at = sample.labels.find(label);
        fits = fits && at != sample.labels.end() && at->second == value;
      }
      if (fits) found.push_back(sample.value);
    }
  }
  EXPECT_EQ(found.size(), 1u) << name;
  return found.empty() ? -1 : found[0];
}

class EngineMetricsTest : public EngineTest {
 protected:
  // A busy shard's numbers are some milliseconds old: waits until `holds`.
  EngineMetrics MetricsWhen(const std::function<bool(const EngineMetrics&)>& holds) {
    const absl::Time give_up_at = absl::Now() + absl::Seconds(60);
    EngineMetrics metrics = engine().metrics();
    while (!holds(metrics) && absl::Now() < give_up_at) {
      absl::SleepFor(absl::Milliseconds(1));
      metrics = engine().metrics();
    }
    EXPECT_TRUE(holds(metrics));
    return metrics;
  }
};

TEST_P(EngineMetricsTest, CountsWhatWasAppended) {
  constexpr uint64_t kSmall = 40, kLarge = 10;
  Open(options(3));
  const std::string small(100, 's'), large(10'000, 'l');
  for (uint64_t i = 0; i < kSmall; ++i) AppendAndWait(0, small);
  for (uint64_t i = 0; i < kLarge; ++i) {
    ASSERT_OK(engine().Post(ShardId{1}, BytesOf(large), {.wait_for_room = absl::Seconds(60)}));
  }
  AppendAndWait(1, small);
  const EngineMetrics metrics = MetricsWhen([](const EngineMetrics& m) {
    return m.shards[0].writer.records == kSmall && m.shards[1].writer.records == kLarge + 1 &&
           m.shards[0].written == m.shards[0].appended &&
           m.shards[1].written == m.shards[1].appended;
  });
  ASSERT_EQ(metrics.shards.size(), 3u);

  // One after the other, each waited for: a batch, a block and a sync each.
  const ShardInfo& alone = metrics.shards[0];
  EXPECT_EQ(alone.writer.payload_bytes, kSmall * small.size());
  EXPECT_EQ(alone.writer.batches, kSmall);
  EXPECT_EQ(alone.writer.batch_bytes % 4096, 0u);
  EXPECT_GE(alone.writer.batch_bytes, kSmall * 4096);
  EXPECT_GT(alone.writer.padding_bytes, kSmall * 3000);
  EXPECT_LT(alone.writer.padding_bytes, alone.writer.batch_bytes);
  EXPECT_GE(alone.writer.syncs, kSmall);
  EXPECT_GE(alone.write_latency_ns.count(), kSmall);

  // Many on their way: never more batches than records, and no byte lost.
  const ShardInfo& many = metrics.shards[1];
  EXPECT_EQ(many.writer.payload_bytes, kLarge * large.size() + small.size());
  EXPECT_LE(many.writer.batches, kLarge + 1);
  EXPECT_GE(many.writer.batch_bytes, many.writer.payload_bytes);

  const ShardInfo& idle = metrics.shards[2];
  EXPECT_EQ(idle.writer.records, 0u);
  EXPECT_EQ(idle.durable, idle.appended);
  for (const ShardInfo& shard : metrics.shards) {
    EXPECT_OK(shard.failure);
    EXPECT_EQ(shard.mailbox_used_bytes, 0u);
    EXPECT_EQ(shard.io_stats.failed, 0u);
    EXPECT_LE(shard.durable, shard.written);
  }
  if (GetParam().sync_method == SyncMethod::kDatasync) {
    EXPECT_GE(alone.sync_latency_ns.count(), kSmall);
  }
}

TEST_P(EngineMetricsTest, CountsEpochsAtomicBatchesAndSegments) {
  Open(options(2));
  const std::string text(60'000, 'x');
  for (int i = 0; i < 3; ++i) ASSERT_OK(engine().Barrier(absl::Seconds(60)).status());
  for (int i = 0; i < 5; ++i) {
    const AtomicPart parts[] = {{ShardId{0}, BytesOf(text)}, {ShardId{1}, BytesOf(text)}};
    auto future = engine().AppendAtomically(parts, absl::Seconds(60));
    ASSERT_OK(future.status());
    ASSERT_OK(future->Wait().status());
  }
  const EngineMetrics metrics = MetricsWhen([](const EngineMetrics& m) {
    return m.shards[0].writer.records == 8 && m.shards[1].writer.records == 8;
  });
  EXPECT_EQ(metrics.durable_epoch, Epoch(3));
  EXPECT_EQ(metrics.open_epoch, Epoch(4));
  EXPECT_EQ(metrics.atomic_batches, 5u);
  EXPECT_OK(metrics.epoch_status);
  EXPECT_GE(metrics.shards[0].writer.rolls, 2u) << "300 KB do not fit into a segment of 256 KiB";
}

TEST_P(EngineMetricsTest, TextSaysWhatTheSnapshotHas) {
  Open(options(2));
  for (int i = 0; i < 20; ++i) AppendAndWait(1, std::string(500, 'x'));
  ASSERT_OK(engine().Barrier(absl::Seconds(60)).status());
  const EngineMetrics metrics = engine().metrics();
  const Families families = Parsed(metrics);
  for (const auto& [name, family] : families) {
    EXPECT_TRUE(absl::StartsWith(name, "corewal_")) << name;
  }
  for (size_t i = 0; i < metrics.shards.size(); ++i) {
    const ShardInfo& shard = metrics.shards[i];
    const PrometheusLabels of_shard = {{"shard", absl::StrCat(i)}};
    const std::map<std::string, uint64_t> expected = {
        {"corewal_appended_lsn", shard.appended.value()},
        {"corewal_durable_lsn", shard.durable.value()},
        {"corewal_records_total", shard.writer.records},
        {"corewal_payload_bytes_total", shard.writer.payload_bytes},
        {"corewal_batches_total", shard.writer.batches},
        {"corewal_batch_bytes_total", shard.writer.batch_bytes},
        {"corewal_padding_bytes_total", shard.writer.padding_bytes},
        {"corewal_syncs_total", shard.writer.syncs},
        {"corewal_segments_started_total", shard.writer.rolls},
        {"corewal_segments_ready", shard.writer.segments_ready},
        {"corewal_append_stalls_total", shard.writer.stalls},
        {"corewal_mailbox_used_bytes", shard.mailbox_used_bytes},
        {"corewal_io_operations_total", shard.io_stats.submitted},
        {"corewal_failed", 0},
        {"corewal_sync_latency_seconds_count", shard.sync_latency_ns.count()},
        {"corewal_write_latency_seconds_count", shard.write_latency_ns.count()},
        {"corewal_backend_info", 1},
    };
    for (const auto& [name, value] : expected) {
      EXPECT_EQ(ValueOf(families, name, of_shard), static_cast<double>(value)) << name;
    }
    EXPECT_NEAR(ValueOf(families, "corewal_write_latency_seconds_sum", of_shard),
                static_cast<double>(shard.write_latency_ns.sum()) * 1e-9, 1e-6);
    EXPECT_EQ(ValueOf(families, "corewal_backend_info",
                      {{"shard", absl::StrCat(i)},
                       {"sync_method", std::string(SyncMethodName(shard.sync_method))}}),
              1);
  }
  EXPECT_EQ(ValueOf(families, "corewal_open_epoch", {}), 2);
  EXPECT_EQ(ValueOf(families, "corewal_durable_epoch", {}), 1);
  EXPECT_EQ(ValueOf(families, "corewal_epochs_stopped", {}), 0);
  EXPECT_EQ(ValueOf(families, "corewal_atomic_batches_undecided", {}), 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineMetricsTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

TEST(MetricsTextTest, HistogramCountsEachValueOnceAndUnderItsBound) {
  EngineMetrics metrics;
  ShardInfo shard;
  for (const uint64_t ns : {1u, 9'000u, 24'000u, 90'000u, 240'000'000u}) {
    shard.sync_latency_ns.Record(ns);
  }
  shard.sync_latency_ns.Record(5'000'000'000);  // beyond the last bound
  metrics.shards.push_back(shard);
  const Families families = Parsed(metrics);
  const std::map<std::string, double> expected = {{"1e-05", 2},  {"2.5e-05", 3}, {"5e-05", 3},
                                                  {"0.0001", 4}, {"0.1", 4},     {"0.25", 5},
                                                  {"1", 5},      {"+Inf", 6}};
  for (const auto& [le, count] : expected) {
    EXPECT_EQ(ValueOf(families, "corewal_sync_latency_seconds_bucket", {{"le", le}}), count) << le;
  }
  EXPECT_NEAR(ValueOf(families, "corewal_sync_latency_seconds_sum", {}), 5.240123001, 1e-5);
}

TEST(MetricsTextTest, ReasonsOfAnyTextAreOneLabelEach) {
  EngineMetrics metrics;
  ShardInfo shard;
  const std::string odd = "a \"quote\", a \\ and\na newline, {braces} = 1";
  shard.io.fallback_reasons = {odd, "another", "another"};
  shard.io.backend = odd;
  shard.failure = absl::DataLossError("gone");
  metrics.shards = {shard, shard};
  metrics.epoch_status = absl::UnavailableError("stopped");
  const Families families = Parsed(metrics);
  EXPECT_EQ(ValueOf(families, "corewal_fallback_info", {{"shard", "1"}, {"reason", odd}}), 1);
  EXPECT_EQ(ValueOf(families, "corewal_fallback_info", {{"shard", "0"}, {"reason", "another"}}), 1);
  EXPECT_EQ(ValueOf(families, "corewal_backend_info", {{"shard", "0"}, {"backend", odd}}), 1);
  EXPECT_EQ(ValueOf(families, "corewal_failed", {{"shard", "1"}}), 1);
  EXPECT_EQ(ValueOf(families, "corewal_epochs_stopped", {}), 1);
}

// The parser itself: takes what is right, and each change of it is found.
TEST(PrometheusTextTest, StrictInEveryLine) {
  const std::string good =
      "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"1\"} 3\na_total{x=\"2\"} 4\n"
      "# HELP h Time.\n# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
      "h_sum 0.5\nh_count 2\n";
  ASSERT_OK(ParsePrometheusText(good).status());
  const std::pair<const char*, const char*> changes[] = {
      {"# HELP a_total What it is.\n", ""},
      {"# TYPE a_total counter\n", ""},
      {"# TYPE a_total counter", "# TYPE a_total count"},
      {"{x=\"2\"}", "{x=\"1\"}"},
      {"a_total{x=\"2\"}", "b_total{x=\"2\"}"},
      {"{x=\"1\"}", "{1=\"1\"}"},
      {"{x=\"1\"}", "{x=1}"},
      {"{x=\"1\"}", "{x=\"\\1\"}"},
      {"{x=\"1\"}", "{x=\"1\",x=\"1\"}"},
      {"{x=\"1\"} 3", "{x=\"1\"}  3"},
      {"{x=\"1\"} 3", "{x=\"1\"} three"},
      {"{x=\"1\"} 3", "{x=\"1\"} -3"},
      {"a_total{x=\"1\"} 3", "a-total{x=\"1\"} 3"},
      {"le=\"0.1\"", "le=\"+Inf\""},
      {"h_bucket{le=\"+Inf\"} 2\n", ""},
      {"h_bucket{le=\"+Inf\"} 2", "h_bucket{le=\"+Inf\"} 0"},
      {"h_count 2\n", ""},
      {"h_count 2", "h_count 3"},
      {"h_sum 0.5\n", ""},
      {"h_count 2\n", "h_count 2"},
  };
  for (const auto& [from, to] : changes) {
    const std::string bad = absl::StrReplaceAll(good, {{from, to}});
    ASSERT_NE(bad, good) << from;
    EXPECT_FALSE(ParsePrometheusText(bad).ok()) << from << " -> " << to;
  }
}

}  // namespace
}  // namespace corewal
