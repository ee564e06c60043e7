#include "tools/human_units.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace corewal {
namespace {

// Three significant digits.
std::string Three(double value) {
  if (value >= 99.95) return absl::StrFormat("%.0f", value);
  if (value >= 9.995) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.2f", value);
}

}  // namespace

std::string HumanCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ' ';
    grouped += digits[i];
  }
  return grouped;
}

std::string HumanRate(double per_second) {
  if (per_second >= 1e6) return absl::StrCat(Three(per_second / 1e6), " M");
  if (per_second >= 100) return HumanCount(static_cast<uint64_t>(std::llround(per_second)));
  return Three(per_second);
}

std::string HumanMicros(double microseconds) {
  if (microseconds >= 999'500) return absl::StrCat(Three(microseconds / 1e6), " s");
  if (microseconds >= 999.5) return absl::StrCat(Three(microseconds / 1e3), " ms");
  if (microseconds < 0.1) return absl::StrCat(Three(microseconds * 1e3), " ns");
  return absl::StrCat(Three(microseconds), " us");
}

std::string HumanMbPerS(double megabytes) {
  if (megabytes >= 999.5) {
    return absl::StrCat(HumanCount(static_cast<uint64_t>(std::llround(megabytes))), " MB/s");
  }
  return absl::StrCat(Three(megabytes), " MB/s");
}

std::string HumanBytes(uint64_t bytes) {
  static constexpr struct {
    uint64_t bytes;
    const char* name;
  } kUnits[] = {{1ull << 30, "GiB"}, {1ull << 20, "MiB"}, {1ull << 10, "KiB"}};
  for (const auto& unit : kUnits) {
    if (bytes < unit.bytes) continue;
    const bool whole = bytes % unit.bytes == 0;
    return absl::StrCat(whole ? absl::StrCat(bytes / unit.bytes)
                              : Three(static_cast<double>(bytes) / static_cast<double>(unit.bytes)),
                        " ", unit.name);
  }
  return absl::StrCat(bytes, bytes == 1 ? " byte" : " bytes");
}

std::string HumanSeconds(double seconds) {
  if (seconds < 99.5) return absl::StrCat(Three(seconds), " s");
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  return absl::StrCat(whole / 60, " min ", whole % 60, " s");
}

std::string HumanRatio(double ratio) { return Three(ratio); }

}  // namespace corewal
