// benchmarks/base_benchmark.cc: what the helpers cost that stand on the append path.
#include <benchmark/benchmark.h>

#include <string>

#include "base/crc32c.h"
#include "base/histogram.h"

namespace corewal {
namespace {

void BM_Crc32c(benchmark::State& state) {
  const std::string data(static_cast<size_t>(state.range(0)), 'c');
  const auto bytes =
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data.data()), data.size());
  for (auto _ : state) benchmark::DoNotOptimize(Crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Crc32c)->ArgName("bytes")->Arg(64)->Arg(128)->Arg(1 << 10)->Arg(4 << 10)->Arg(1 << 20);

void BM_HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  uint64_t value = 1;
  for (auto _ : state) histogram.Record(value = value * 6364136223846793005 % 10'000'019);
  benchmark::DoNotOptimize(histogram.count());
}
BENCHMARK(BM_HistogramRecord);

}  // namespace
}  // namespace corewal

BENCHMARK_MAIN();
