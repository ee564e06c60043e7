#include "tools/run_charts.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/histogram.h"
#include "tools/human_units.h"

namespace corewal {
namespace {

constexpr size_t kPointsMax = 240;

double Amount(const BenchResult& result, const RunSeries::Sample& sample) {
  return result.counts_records() ? static_cast<double>(sample.records)
                                 : static_cast<double>(sample.payload_bytes) / 1e6;
}

std::string RateText(bool records, double rate) {
  return records ? absl::StrCat(HumanRate(rate), " /s") : HumanMbPerS(rate);
}

// The rate of each interval; of a long run, of several together, with the slowest and the fastest.
ChartCurve RateCurve(const ChartedRun& run) {
  ChartCurve curve;
  curve.color = run.color;
  curve.label = run.name;
  const auto& samples = run.result->series.samples;
  if (samples.size() < 2) return curve;
  const size_t intervals = samples.size() - 1;
  const size_t group = (intervals + kPointsMax - 1) / kPointsMax;
  curve.band = group > 1;
  curve.area = group == 1;
  const auto rate = [&](size_t from, size_t to) {
    return (Amount(*run.result, samples[to]) - Amount(*run.result, samples[from])) /
           (samples[to].at_s - samples[from].at_s);
  };
  for (size_t from = 0; from < intervals; from += group) {
    const size_t to = std::min(from + group, intervals);
    ChartCurve::Point point;
    point.x = (samples[from].at_s + samples[to].at_s) / 2;
    point.y = rate(from, to);
    point.low = point.high = point.y;
    for (size_t i = from; i < to; ++i) {
      point.low = std::min(point.low, rate(i, i + 1));
      point.high = std::max(point.high, rate(i, i + 1));
    }
    curve.points.push_back(point);
  }
  // To the ends of the clock, so that nothing seems to be missing.
  ChartCurve::Point first = curve.points.front(), last = curve.points.back();
  first.x = 0;
  last.x = samples.back().at_s;
  curve.points.insert(curve.points.begin(), first);
  curve.points.push_back(last);
  return curve;
}

// A sample tells how many segments were started since the one before; spread over that interval.
std::vector<double> RollTimes(const RunSeries& series) {
  std::vector<double> times;
  for (size_t i = 1; i < series.samples.size(); ++i) {
    const auto& before = series.samples[i - 1];
    const auto& now = series.samples[i];
    const uint64_t rolls = now.rolls - before.rolls;
    for (uint64_t roll = 0; roll < rolls && times.size() < 2000; ++roll) {
      const double part = (static_cast<double>(roll) + 0.5) / static_cast<double>(rolls);
      times.push_back(before.at_s + part * (now.at_s - before.at_s));
    }
  }
  return times;
}

std::optional<double> FloorOf(const BenchResult& result) {
  if (result.floor_ratios.empty()) return std::nullopt;
  return result.counts_records() ? result.floor_commits_per_s : result.floor_mb_per_s;
}

std::string PercentText(int nines) {
  if (nines == 0) return "0 %";
  if (nines == 1) return "90 %";
  return absl::StrCat("99", nines > 2 ? "." : "", std::string(static_cast<size_t>(nines - 2), '9'),
                      " %");
}

// "50 ms" for "50.0 ms": ticks are round numbers.
std::string MicrosTick(double us) {
  return absl::StrReplaceAll(HumanMicros(us), {{".00 ", " "}, {".0 ", " "}});
}

// x is how many nines: -log10(1 - fraction).
ChartCurve LatencyCurve(const ChartedRun& run) {
  const Histogram& latency = run.result->latency_ns;
  ChartCurve curve;
  curve.color = run.color;
  curve.label = run.name;
  const double last = std::log10(static_cast<double>(std::max<uint64_t>(latency.count(), 2)));
  const auto add = [&](double x, uint64_t ns) {
    curve.points.push_back({x, std::max(static_cast<double>(ns) / 1e3, 1e-3), 0, 0});
  };
  for (double x = 0; x < last; x += 0.05) {
    add(x, x == 0 ? latency.min() : latency.Percentile(1 - std::pow(10, -x)));
  }
  add(last, latency.max());
  return curve;
}

}  // namespace

std::optional<Chart> ThroughputChart(const std::vector<ChartedRun>& runs) {
  Chart chart;
  double top = 0, end = 0;
  bool records = false;
  for (const ChartedRun& run : runs) {
    ChartCurve curve = RateCurve(run);
    if (curve.points.empty()) continue;
    records = run.result->counts_records();
    curve.area = curve.area && runs.size() == 1;
    for (const auto& point : curve.points) {
      top = std::max({top, point.y, point.high});
      end = std::max(end, point.x);
    }
    if (runs.size() == 1) {
      chart.marks = RollTimes(run.result->series);
      chart.borders = run.result->series.slice_ends;
      if (!chart.borders.empty()) chart.borders.pop_back();
    }
    if (const auto floor = FloorOf(*run.result); floor && runs.size() == 1) {
      chart.lines.push_back({*floor, absl::StrCat("device floor ", RateText(records, *floor))});
      top = std::max(top, *floor);
    }
    chart.curves.push_back(std::move(curve));
  }
  if (chart.curves.empty() || top <= 0 || end <= 0) return std::nullopt;
  chart.title = "Throughput over time";
  chart.x.high = end;
  chart.x.label = "seconds of the run's clock";
  for (const double at : LinearTicks(0, end, 8)) {
    chart.x.ticks.push_back({at, absl::StrFormat("%g", at)});
  }
  chart.y.high = top * 1.12;
  chart.y.label = records ? "records durable, a second" : "payload accepted, MB a second";
  for (const double at : LinearTicks(0, chart.y.high, 5)) {
    chart.y.ticks.push_back({at, records ? HumanRate(at) : absl::StrFormat("%g", at)});
  }
  if (!chart.y.ticks.empty()) chart.y.ticks.front().label = "0";
  return chart;
}

std::optional<Chart> LatencyChart(const std::vector<ChartedRun>& runs) {
  Chart chart;
  double low = 1e300, high = 0, nines = 0;
  for (const ChartedRun& run : runs) {
    if (run.result->latency_ns.count() == 0) continue;
    ChartCurve curve = LatencyCurve(run);
    low = std::min(low, curve.points.front().y);
    high = std::max(high, curve.points.back().y);
    nines = std::max(nines, curve.points.back().x);
    chart.curves.push_back(std::move(curve));
  }
  if (chart.curves.empty()) return std::nullopt;
  chart.title = "Latency by percentile";
  chart.x.high = nines;
  chart.x.label = "of all records are faster; the curve ends at the slowest one";
  chart.x.ticks.push_back({0, ""});
  chart.x.ticks.push_back({std::log10(2), "50 %"});
  for (int i = 1; i <= nines; ++i)
    chart.x.ticks.push_back({static_cast<double>(i), PercentText(i)});
  chart.y.logarithmic = true;
  chart.y.low = low * 0.9;
  chart.y.high = std::max(high, low * 2) * 1.15;
  for (const double at : LogTicks(chart.y.low, chart.y.high)) {
    chart.y.ticks.push_back({at, MicrosTick(at)});
  }
  chart.y.label = "append until durable";
  return chart;
}

}  // namespace corewal
