#include "tools/ratio_bars.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/html_text.h"
#include "tools/human_units.h"

namespace corewal {
namespace {

constexpr double kRowHeight = 34;
constexpr double kTop = 22;
constexpr double kValueWidth = 48;
// A larger ratio fills its row and is told by its number: those near the floor stay readable.
constexpr double kHighMax = 3;

std::string Draw(const std::vector<ChartedRun>& runs, const char* size, double width,
                 double name_width, double high) {
  const double left = name_width;
  const double right = width - kValueWidth;
  const double height = kTop + kRowHeight * static_cast<double>(runs.size()) + 6;
  const auto x = [&](double ratio) { return left + std::min(ratio, high) / high * (right - left); };
  std::string svg = absl::StrFormat(
      "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"Ratio to the device "
      "floor\">\n<text class=\"mid\" x=\"%.1f\" y=\"13\">device floor = 1</text>\n",
      size, width, height, std::clamp(x(1), left + 46, right - 46));
  double y = kTop;
  for (const ChartedRun& run : runs) {
    const double ratio = *run.result->ratio_to_floor();
    const double middle = y + kRowHeight / 2;
    absl::StrAppendFormat(&svg,
                          "<g class=\"s%d\"><text class=\"name\" x=\"0\" y=\"%.1f\">%s</text>\n"
                          "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"20\" "
                          "rx=\"3\"/><path class=\"median\" d=\"M%.1f %.1fv20\"/>\n",
                          run.color, middle + 4, HtmlText(run.name), left, middle - 10,
                          x(ratio) - left, x(ratio), middle - 10);
    for (const double round : run.result->floor_ratios) {
      absl::StrAppendFormat(&svg,
                            "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>one "
                            "round: %s</title></circle>\n",
                            x(round), middle, HumanRatio(round));
    }
    absl::StrAppendFormat(&svg, "<text class=\"value end\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n",
                          width, middle + 4, HumanRatio(ratio));
    y += kRowHeight;
  }
  absl::StrAppendFormat(&svg, "<path class=\"floor\" d=\"M%.1f %.1fV%.1f\"/>\n</svg>\n", x(1),
                        kTop - 3, height);
  return svg;
}

}  // namespace

std::string RatioBars(const std::vector<ChartedRun>& runs) {
  std::vector<ChartedRun> with_ratio;
  double high = 1.15;
  size_t longest = 0;
  for (const ChartedRun& run : runs) {
    if (!run.result->ratio_to_floor()) continue;
    with_ratio.push_back(run);
    longest = std::max(longest, run.name.size());
    for (const double ratio : run.result->floor_ratios) high = std::max(high, ratio * 1.05);
  }
  if (with_ratio.empty()) return "";
  high = std::min(high, kHighMax);
  const double names = 7.2 * static_cast<double>(longest) + 14;
  return Draw(with_ratio, "wide", 760, std::min(names, 240.0), high) +
         Draw(with_ratio, "narrow", 360, std::min(names, 140.0), high);
}

}  // namespace corewal
