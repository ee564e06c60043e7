// tools/run_series.h: what a run had done at about every 100 ms of its clock, for plots.
//
// The clock stands still between the slices of a run, while the device floor is measured.
// Memory: 32 bytes a sample, 20 KB for a minute.
#ifndef COREWAL_TOOLS_RUN_SERIES_H_
#define COREWAL_TOOLS_RUN_SERIES_H_

#include <cstdint>
#include <vector>

namespace corewal {

struct RunSeries {
  static constexpr double kClosestSeconds = 0.03;

  // Sums since the run began; none of them ever falls.
  struct Sample {
    double at_s = 0;  // of the run's clock
    uint64_t records = 0;
    uint64_t payload_bytes = 0;
    uint64_t rolls = 0;  // segments started
  };
  std::vector<Sample> samples;     // the first one is zero
  std::vector<double> slice_ends;  // seconds; the last one is the run's end

  // One that comes less than kClosestSeconds after the last takes its place: no rate is made of so
  // short a time. So does one that seems to come before it (the watcher's clock is a little late).
  void Add(const Sample& sample) {
    if (samples.empty()) samples.push_back({});
    while (samples.size() > 1 && sample.at_s < samples.back().at_s + kClosestSeconds) {
      samples.pop_back();
    }
    if (sample.at_s > samples.back().at_s) samples.push_back(sample);
  }
  // Another run of the same kind goes on where this one ended.
  void Append(const RunSeries& other) {
    if (samples.empty()) samples.push_back({});
    const Sample base = samples.back();
    for (const Sample& sample : other.samples) {
      Add({base.at_s + sample.at_s, base.records + sample.records,
           base.payload_bytes + sample.payload_bytes, base.rolls + sample.rolls});
    }
    for (const double end : other.slice_ends) slice_ends.push_back(base.at_s + end);
  }
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_RUN_SERIES_H_
