#include "tools/compared_rounds.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "tools/human_units.h"
#include "tools/median.h"

namespace corewal {
namespace {

constexpr double kSpreadMax = 0.2;
constexpr size_t kColumn = 18;
constexpr size_t kLabel = 24;

using Figure = std::optional<double> BenchResult::*;

std::optional<double> MedianOf(const std::vector<BenchResult>& rounds, Figure figure) {
  std::vector<double> values;
  for (const BenchResult& round : rounds) {
    if (round.*figure) values.push_back(*(round.*figure));
  }
  return values.empty() ? std::nullopt : std::optional<double>(Median(values));
}

void Add(const std::optional<uint64_t>& more, std::optional<uint64_t>* sum) {
  if (more) *sum = sum->value_or(0) + *more;
}

std::string RateText(bool records, double rate) {
  return records ? HumanRate(rate) : HumanMbPerS(rate);
}

std::string Percent(double part) { return absl::StrFormat("%.0f %%", part * 100); }

// Its end tells values apart.
std::string Fit(const std::string& text) {
  if (text.size() < kColumn) return text;
  return absl::StrCat("..", text.substr(text.size() - (kColumn - 3)));
}

// A row, unless no column has anything in it.
void AddRow(std::string* table, absl::string_view label, size_t columns,
            const std::function<std::string(size_t)>& text) {
  std::string row = absl::StrFormat("  %-*s", static_cast<int>(kLabel), label);
  bool any = false;
  for (size_t i = 0; i < columns; ++i) {
    const std::string cell = text(i);
    any = any || !cell.empty();
    absl::StrAppendFormat(&row, "%*s", static_cast<int>(kColumn), cell.empty() ? "-" : cell);
  }
  if (any) absl::StrAppend(table, row, "\n");
}

std::string FloorText(const BenchResult& result) {
  if (result.floor_commits_per_s)
    return absl::StrCat(HumanRate(*result.floor_commits_per_s), " /s");
  if (result.floor_mb_per_s) return HumanMbPerS(*result.floor_mb_per_s);
  if (result.floor_read_mb_per_s) return HumanMbPerS(*result.floor_read_mb_per_s);
  return "";
}

}  // namespace

std::vector<double> ComparedRounds::rates() const {
  std::vector<double> rates;
  rates.reserve(rounds.size());
  for (const BenchResult& round : rounds) rates.push_back(round.rate());
  return rates;
}

double ComparedRounds::median_rate() const { return Median(rates()); }

double ComparedRounds::spread() const {
  const std::vector<double> all = rates();
  if (all.size() < 2 || median_rate() <= 0) return 0;
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  return (*high - *low) / median_rate();
}

BenchResult ComparedRounds::Merged() const {
  CHECK(!rounds.empty());
  BenchResult all = rounds.front();
  double cpu_us = 0, busy_s = 0, stolen_s = 0;
  all.floor_ratios.clear();
  all.series = RunSeries();
  all.latency_ns.Clear();
  all.records = all.payload_bytes = 0;
  all.seconds = 0;
  all.syncs = all.writes = all.bytes_written = all.verified_records = all.verify_errors =
      all.segments_before = all.segments_during = all.prepared_bytes = all.reader_records =
          all.truncations = std::nullopt;
  for (const BenchResult& round : rounds) {
    all.records += round.records;
    all.payload_bytes += round.payload_bytes;
    all.seconds += round.seconds;
    all.latency_ns.Merge(round.latency_ns);
    all.series.Append(round.series);
    cpu_us += round.cpu_us_per_record.value_or(0) * static_cast<double>(round.records);
    busy_s += round.other_cpus.value_or(0) * round.seconds;
    stolen_s += round.stolen_cpus.value_or(0) * round.seconds;
    Add(round.syncs, &all.syncs);
    Add(round.writes, &all.writes);
    Add(round.bytes_written, &all.bytes_written);
    Add(round.verified_records, &all.verified_records);
    Add(round.verify_errors, &all.verify_errors);
    Add(round.segments_before, &all.segments_before);
    Add(round.segments_during, &all.segments_during);
    Add(round.prepared_bytes, &all.prepared_bytes);
    Add(round.reader_records, &all.reader_records);
    Add(round.truncations, &all.truncations);
    all.floor_ratios.insert(all.floor_ratios.end(), round.floor_ratios.begin(),
                            round.floor_ratios.end());
    all.interrupted = all.interrupted || round.interrupted;
    if (all.first_verify_error.empty()) all.first_verify_error = round.first_verify_error;
  }
  if (all.records > 0 && all.cpu_us_per_record) {
    all.cpu_us_per_record = cpu_us / static_cast<double>(all.records);
  }
  if (all.other_cpus && all.seconds > 0) all.other_cpus = busy_s / all.seconds;
  if (all.stolen_cpus && all.seconds > 0) all.stolen_cpus = stolen_s / all.seconds;
  all.open_ms = MedianOf(rounds, &BenchResult::open_ms);
  all.floor_commits_per_s = MedianOf(rounds, &BenchResult::floor_commits_per_s);
  all.floor_p50_us = MedianOf(rounds, &BenchResult::floor_p50_us);
  all.floor_mb_per_s = MedianOf(rounds, &BenchResult::floor_mb_per_s);
  all.floor_read_mb_per_s = MedianOf(rounds, &BenchResult::floor_read_mb_per_s);
  all.TakePercentiles();
  return all;
}

std::string CompareTable(const std::vector<ComparedRounds>& all) {
  std::vector<BenchResult> merged;
  merged.reserve(all.size());
  for (const ComparedRounds& rounds : all) merged.push_back(rounds.Merged());
  const bool records = merged[0].counts_records();
  std::string table;
  const auto row = [&](absl::string_view label, const std::function<std::string(size_t)>& text) {
    AddRow(&table, label, all.size(), text);
  };
  const auto micros = [&](absl::string_view label, Figure figure) {
    row(label, [&](size_t i) {
      return merged[i].*figure ? HumanMicros(*(merged[i].*figure)) : std::string();
    });
  };
  row("", [&](size_t i) { return Fit(all[i].name); });
  row(records ? "records a second" : "payload",
      [&](size_t i) { return RateText(records, all[i].median_rate()); });
  row("  of the first", [&](size_t i) {
    return HumanRatio(all[i].median_rate() / std::max(all[0].median_rate(), 1e-9));
  });
  row("  slowest round", [&](size_t i) {
    const auto rates = all[i].rates();
    return RateText(records, *std::min_element(rates.begin(), rates.end()));
  });
  row("  fastest round", [&](size_t i) {
    const auto rates = all[i].rates();
    return RateText(records, *std::max_element(rates.begin(), rates.end()));
  });
  row("  spread of the rounds", [&](size_t i) { return Percent(all[i].spread()); });
  micros("p50", &BenchResult::p50_us);
  micros("p99", &BenchResult::p99_us);
  micros("p99.9", &BenchResult::p999_us);
  micros("max", &BenchResult::max_us);
  micros("CPU a record", &BenchResult::cpu_us_per_record);
  row("device floor", [&](size_t i) { return FloorText(merged[i]); });
  row("ratio to floor", [&](size_t i) {
    return merged[i].ratio_to_floor() ? HumanRatio(*merged[i].ratio_to_floor()) : std::string();
  });
  row("io", [&](size_t i) { return merged[i].io; });
  row("sync", [&](size_t i) { return merged[i].sync_method; });
  row("records verified", [&](size_t i) {
    return merged[i].verified_records ? HumanCount(*merged[i].verified_records) : std::string();
  });
  row("errors", [&](size_t i) {
    return merged[i].verified() ? std::string() : HumanCount(*merged[i].verify_errors);
  });
  return table;
}

std::vector<std::string> NoiseWarnings(const std::vector<ComparedRounds>& all) {
  std::vector<std::string> warnings;
  for (const ComparedRounds& rounds : all) {
    if (rounds.spread() <= kSpreadMax) continue;
    warnings.push_back(absl::StrCat(
        "the rounds of ", rounds.name, " differ by ", Percent(rounds.spread()),
        " of their median: smaller differences than that mean nothing here; use a longer --seconds "
        "or a quieter machine"));
  }
  const std::vector<double> first = all[0].rates();
  const auto [first_low, first_high] = std::minmax_element(first.begin(), first.end());
  for (size_t i = 1; i < all.size(); ++i) {
    const std::vector<double> rates = all[i].rates();
    const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
    if (rates.size() < 2 || *low > *first_high || *high < *first_low) continue;
    warnings.push_back(absl::StrCat("the rounds of ", all[0].name, " and ", all[i].name,
                                    " overlap: which of the two is faster is not settled"));
  }
  return warnings;
}

std::vector<std::string> RunWarnings(const std::vector<ComparedRounds>& all,
                                     const std::vector<BenchOptions>& compared) {
  CHECK_EQ(all.size(), compared.size());
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> who;
  for (size_t i = 0; i < all.size(); ++i) {
    for (const std::string& warning : all[i].Merged().Warnings(compared[i])) {
      if (who[warning].empty()) order.push_back(warning);
      who[warning].push_back(all[i].name);
    }
  }
  std::vector<std::string> warnings;
  for (const std::string& warning : order) {
    const bool of_all = who[warning].size() == all.size();
    warnings.push_back(of_all ? warning
                              : absl::StrCat(absl::StrJoin(who[warning], ", "), ": ", warning));
  }
  return warnings;
}

}  // namespace corewal
