// tools/svg_chart.h: curves over two axes as an inline SVG, without a script.
//
//   y label
//   100 us |      ____/
//    10 us | ____/        curves, bands, marks at the bottom
//          +-----------
//            50 %   99 %   x label
//
// Colours are CSS classes (s0, s1, ..., axis, grid, mark, floor), so that the page's style decides.
// Each chart is drawn in two sizes; the style shows one of them. Text keeps its size on a phone.
#ifndef COREWAL_TOOLS_SVG_CHART_H_
#define COREWAL_TOOLS_SVG_CHART_H_

#include <string>
#include <vector>

namespace corewal {

struct ChartTick {
  double at = 0;
  std::string label;  // empty: a grid line alone
};

struct ChartAxis {
  double low = 0;
  double high = 1;           // above low
  bool logarithmic = false;  // low is above 0 then
  std::vector<ChartTick> ticks;
  std::string label;
};

struct ChartCurve {
  struct Point {
    double x = 0, y = 0;
    double low = 0, high = 0;  // of the band, if it has one
  };
  int color = 0;
  std::vector<Point> points;
  bool band = false;
  bool area = false;  // filled down to the axis
  std::string label;  // told when pointed at
};

struct ChartLine {  // all across, dashed
  double y = 0;
  std::string label;
};

struct Chart {
  std::string title;  // for those who cannot see it
  ChartAxis x, y;
  std::vector<ChartCurve> curves;
  std::vector<ChartLine> lines;
  std::vector<double> marks;    // short ticks on the x axis
  std::vector<double> borders;  // thin lines from top to bottom

  // Both sizes.
  std::string ToSvg() const;
};

// Round values (1, 2, 5 times a power of ten) from low to high; about `count` of them.
std::vector<double> LinearTicks(double low, double high, int count);
// Powers of ten; with 2 and 5 in between where there are fewer than three of them.
std::vector<double> LogTicks(double low, double high);

}  // namespace corewal

#endif  // COREWAL_TOOLS_SVG_CHART_H_
