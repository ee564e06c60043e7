#include "tools/svg_chart.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "tools/html_text.h"

namespace corewal {
namespace {

// One size of a chart, in CSS pixels.
struct Canvas {
  const char* name;
  double width, height;
  double left, right, top, bottom;  // margins
  size_t tick_every;                // of the x axis, one in so many is labelled
};
constexpr Canvas kWide{"wide", 760, 300, 74, 16, 26, 42, 1};
constexpr Canvas kNarrow{"narrow", 360, 260, 62, 12, 26, 42, 2};

class Drawing {
 public:
  Drawing(const Chart& chart, const Canvas& canvas) : chart_(chart), canvas_(canvas) {}
  std::string Draw();

 private:
  double Place(const ChartAxis& axis, double value) const;  // 0 .. 1
  double X(double value) const {
    return canvas_.left + Place(chart_.x, value) * (canvas_.width - canvas_.left - canvas_.right);
  }
  double Y(double value) const {
    return Bottom() - Place(chart_.y, value) * (Bottom() - canvas_.top);
  }
  double Bottom() const { return canvas_.height - canvas_.bottom; }
  double Right() const { return canvas_.width - canvas_.right; }
  void Line(absl::string_view css, double x1, double y1, double x2, double y2);
  void Text(absl::string_view css, double x, double y, absl::string_view text);
  void DrawAxes();
  void DrawMarks();
  void DrawCurve(const ChartCurve& curve);

  const Chart& chart_;
  const Canvas& canvas_;
  std::string svg_;
};

double Drawing::Place(const ChartAxis& axis, double value) const {
  double place = 0;
  if (axis.logarithmic) {
    place = std::log(std::max(value, axis.low) / axis.low) / std::log(axis.high / axis.low);
  } else {
    place = (value - axis.low) / (axis.high - axis.low);
  }
  return std::clamp(place, 0.0, 1.0);
}

void Drawing::Line(absl::string_view css, double x1, double y1, double x2, double y2) {
  absl::StrAppendFormat(&svg_, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", css, x1, y1, x2,
                        y2);
}

void Drawing::Text(absl::string_view css, double x, double y, absl::string_view text) {
  absl::StrAppendFormat(&svg_, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", css, x, y,
                        HtmlText(text));
}

void Drawing::DrawAxes() {
  for (const ChartTick& tick : chart_.y.ticks) {
    Line("grid", canvas_.left, Y(tick.at), Right(), Y(tick.at));
    if (!tick.label.empty()) Text("tick end", canvas_.left - 7, Y(tick.at) + 4, tick.label);
  }
  for (size_t i = 0; i < chart_.x.ticks.size(); ++i) {
    const ChartTick& tick = chart_.x.ticks[i];
    Line("grid", X(tick.at), canvas_.top, X(tick.at), Bottom());
    const bool labelled = i % canvas_.tick_every == 0;
    if (!labelled || tick.label.empty()) continue;
    const bool at_edge = X(tick.at) > Right() - 14;
    Text(at_edge ? "tick end" : "tick mid", at_edge ? Right() : X(tick.at), Bottom() + 17,
         tick.label);
  }
  Line("axis", canvas_.left, Bottom(), Right(), Bottom());
  Text("label", 4, 14, chart_.y.label);
  Text("label end", Right(), canvas_.height - 6, chart_.x.label);
}

void Drawing::DrawMarks() {
  for (const double at : chart_.borders) Line("border", X(at), canvas_.top, X(at), Bottom());
  for (const double at : chart_.marks) Line("mark", X(at), Bottom() - 9, X(at), Bottom());
}

void Drawing::DrawCurve(const ChartCurve& curve) {
  if (curve.points.empty()) return;
  absl::StrAppendFormat(&svg_, "<g class=\"s%d\"><title>%s</title>\n", curve.color,
                        HtmlText(curve.label));
  if (curve.band || curve.area) {
    absl::StrAppend(&svg_, "<path class=\"band\" d=\"");
    char command = 'M';
    for (const auto& point : curve.points) {
      absl::StrAppendFormat(&svg_, "%c%.1f %.1f", command, X(point.x),
                            Y(curve.band ? point.high : point.y));
      command = 'L';
    }
    for (auto point = curve.points.rbegin(); point != curve.points.rend(); ++point) {
      absl::StrAppendFormat(&svg_, "L%.1f %.1f", X(point->x),
                            curve.band ? Y(point->low) : Bottom());
    }
    absl::StrAppend(&svg_, "Z\"/>\n");
  }
  absl::StrAppend(&svg_, "<path class=\"curve\" d=\"");
  char command = 'M';
  for (const auto& point : curve.points) {
    absl::StrAppendFormat(&svg_, "%c%.1f %.1f", command, X(point.x), Y(point.y));
    command = 'L';
  }
  absl::StrAppend(&svg_, "\"/></g>\n");
}

std::string Drawing::Draw() {
  svg_ = absl::StrFormat(
      "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n", canvas_.name,
      canvas_.width, canvas_.height, HtmlText(chart_.title));
  DrawAxes();
  DrawMarks();
  for (const ChartCurve& curve : chart_.curves) DrawCurve(curve);
  for (const ChartLine& line : chart_.lines) {
    Line("floor", canvas_.left, Y(line.y), Right(), Y(line.y));
    Text("floorlabel end", Right(), Y(line.y) - 5, line.label);
  }
  absl::StrAppend(&svg_, "</svg>\n");
  return std::move(svg_);
}

}  // namespace

std::string Chart::ToSvg() const {
  CHECK(x.high > x.low && y.high > y.low);
  CHECK(!y.logarithmic || y.low > 0);
  return Drawing(*this, kWide).Draw() + Drawing(*this, kNarrow).Draw();
}

std::vector<double> LinearTicks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power * 10;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power * 1.0001) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); ++i) {
    ticks.push_back(i * step + 0.0);  // no -0
  }
  return ticks;
}

std::vector<double> LogTicks(double low, double high) {
  std::vector<double> powers, all;
  for (int exponent = static_cast<int>(std::floor(std::log10(low))); std::pow(10, exponent) <= high;
       ++exponent) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, exponent);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      all.push_back(value);
      if (factor == 1.0) powers.push_back(value);
    }
  }
  return powers.size() >= 3 ? powers : all;
}

}  // namespace corewal
