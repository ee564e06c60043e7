#include "examples/file_copy/copy_table.h"

#include <algorithm>
#include <utility>

#include "examples/common/median.h"

namespace corewal {
namespace {

using examples::Median;

constexpr double kGiB = 1024.0 * 1024 * 1024;

}  // namespace

CopyTable::CopyTable(uint64_t data_bytes, const std::vector<const CopyWay*>& ways)
    : data_bytes_(static_cast<double>(data_bytes)) {
  for (const CopyWay* way : ways) rows_.push_back({.way = way});
}

CopyTable::Row& CopyTable::RowOf(const CopyWay& way) {
  return *std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.way == &way; });
}

void CopyTable::Add(const CopyWay& way, const CopyRun& run) {
  Row& row = RowOf(way);
  row.seconds.push_back(run.seconds);
  row.user_s.push_back(run.cpu.user_s);
  row.system_s.push_back(run.cpu.system_s);
  if (run.cpu.other_s) row.other_s.push_back(*run.cpu.other_s);
  row.calls.push_back(static_cast<double>(run.calls));
  if (run.page_cache_bytes) row.cached_bytes.push_back(static_cast<double>(*run.page_cache_bytes));
}

void CopyTable::NotToBeHad(const CopyWay& way, std::string why) {
  RowOf(way).why_not = std::move(why);
}

void CopyTable::Print(std::FILE* out) const {
  std::fprintf(out, "%-18s %8s %9s %9s %9s %7s %10s %7s\n", "", "", "user", "system", "other",
               "CPU", "calls", "cached");
  std::fprintf(out, "%-18s %8s %9s %9s %9s %7s %10s %7s\n", "way", "MB/s", "ms/GiB", "ms/GiB",
               "ms/GiB", "ratio", "per GiB", "B/B");
  const double gib = std::max(data_bytes_, 1.0) / kGiB;
  double first_cpu_s = 0;
  for (const Row& row : rows_) {
    if (row.seconds.empty()) {
      if (!row.why_not.empty()) {
        std::fprintf(out, "%-18s not here: %s\n", std::string(row.way->name).c_str(),
                     row.why_not.c_str());
      }
      continue;
    }
    const double user_s = Median(row.user_s), system_s = Median(row.system_s);
    if (first_cpu_s == 0) first_cpu_s = user_s + system_s;
    std::fprintf(out, "%-18s %8.0f %9.1f %9.1f", std::string(row.way->name).c_str(),
                 data_bytes_ / Median(row.seconds) * 1e-6, user_s * 1e3 / gib,
                 system_s * 1e3 / gib);
    if (row.other_s.empty()) {
      std::fprintf(out, " %9s", "?");
    } else {
      std::fprintf(out, " %9.0f", Median(row.other_s) * 1e3 / gib);
    }
    if (first_cpu_s > 0) {
      std::fprintf(out, " %7.2f", (user_s + system_s) / first_cpu_s);
    } else {
      std::fprintf(out, " %7s", "?");
    }
    std::fprintf(out, " %10.0f", Median(row.calls) / gib);
    if (row.cached_bytes.empty()) {
      std::fprintf(out, " %7s\n", "?");
    } else {
      std::fprintf(out, " %7.2f\n", Median(row.cached_bytes) / std::max(data_bytes_, 1.0));
    }
  }
}

}  // namespace corewal
