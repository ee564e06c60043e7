#include "benchmarks/peers/run_result.h"

#include "tools/json_object.h"

namespace corewal::peers {

std::string RunResult::ToJson(const RunConfig& config, const std::string& notes) const {
  const auto count = static_cast<double>(records);
  const auto micros = [this](double fraction) {
    return latency_ns.count() == 0 ? std::optional<double>()
                                   : static_cast<double>(latency_ns.Percentile(fraction)) * 1e-3;
  };
  const auto of_io = [this](uint64_t IoCounters::*field) {
    return io ? std::optional<uint64_t>((*io).*field) : std::nullopt;
  };
  JsonObject json;
  json.Put("peer", config.peer)
      .Put("mode", ModeName(config.mode))
      .Put("record_bytes", config.record_bytes)
      .Put("clients", config.recover() ? 1 : config.clients)
      .Put("seconds", seconds)
      .Put("records", records)
      .Put("records_per_s", count / seconds)
      .Put("mb_per_s", count * static_cast<double>(config.record_bytes) / seconds / 1e6)
      .Put("p50_us", micros(0.5))
      .Put("p99_us", micros(0.99))
      .Put("p999_us", micros(0.999))
      .Put("cpu_us_per_record",
           records > 0 ? std::optional<double>(cpu_s * 1e6 / count) : std::nullopt)
      .Put("syncs", of_io(&IoCounters::syncs))
      .Put("writes", of_io(&IoCounters::writes))
      .Put("bytes_written", of_io(&IoCounters::bytes_written))
      .Put("other_cpus",
           machine_s ? std::optional<double>((*machine_s - cpu_s) / seconds) : std::nullopt)
      .Put("probe_before_us", probe_before_us)
      .Put("probe_after_us", probe_after_us)
      .Put("notes", notes);
  return json.ToString();
}

}  // namespace corewal::peers
