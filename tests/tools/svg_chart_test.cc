#include "tools/svg_chart.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/run_series.h"

namespace corewal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(SvgChartTest, LinearTicksAreRoundAndWithin) {
  EXPECT_THAT(LinearTicks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(LinearTicks(0, 7300, 4), ElementsAre(0, 2000, 4000, 6000));
  EXPECT_FALSE(std::signbit(LinearTicks(0, 1, 4)[0])) << "it prints as 0, not as -0";
}

TEST(SvgChartTest, LogTicksArePowersOfTenAndMoreWhereThoseAreFew) {
  EXPECT_THAT(LogTicks(1, 1000), ElementsAre(1, 10, 100, 1000));
  EXPECT_THAT(LogTicks(90, 600), ElementsAre(100, 200, 500));
}

Chart SmallChart() {
  Chart chart;
  chart.title = "a \"title\" <b>";
  chart.x.high = 10;
  chart.y.logarithmic = true;
  chart.y.low = 1;
  chart.y.high = 100;
  chart.y.ticks = {{10, "ten"}};
  chart.curves.push_back({2, {{0, 1, 0, 0}, {10, 100, 0, 0}}, false, false, "a & b"});
  return chart;
}

TEST(SvgChartTest, ItIsDrawnInBothSizesAndTextIsNoMarkup) {
  const std::string svg = SmallChart().ToSvg();
  EXPECT_THAT(svg, HasSubstr("<svg class=\"wide\""));
  EXPECT_THAT(svg, HasSubstr("<svg class=\"narrow\""));
  EXPECT_THAT(svg, HasSubstr("a &quot;title&quot; &lt;b&gt;"));
  EXPECT_THAT(svg, HasSubstr("<g class=\"s2\"><title>a &amp; b</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

// Wide: the axes span 74 .. 744 and 258 .. 26; ten is half-way up from 1 to 100.
TEST(SvgChartTest, ValuesStandWhereTheAxesSay) {
  const std::string svg = SmallChart().ToSvg();
  EXPECT_THAT(svg, HasSubstr("d=\"M74.0 258.0L744.0 26.0\""));
  EXPECT_THAT(svg, HasSubstr("<path class=\"grid\" d=\"M74.0 142.0L744.0 142.0\"/>"));
}

TEST(SvgChartTest, ValuesBeyondTheAxesStayInside) {
  Chart chart = SmallChart();
  chart.curves[0].points = {{-5, 0, 0, 0}, {50, 1e9, 0, 0}};
  EXPECT_THAT(chart.ToSvg(), HasSubstr("d=\"M74.0 258.0L744.0 26.0\""));
}

TEST(RunSeriesTest, NoRateIsMadeOfAMoment) {
  RunSeries series;
  series.Add({0.1, 10, 100, 0});
  series.Add({0.2, 20, 200, 1});
  series.Add({0.21, 22, 220, 1});  // the slice's end, a moment later
  ASSERT_EQ(series.samples.size(), 3u);
  EXPECT_EQ(series.samples[0].records, 0u);
  EXPECT_DOUBLE_EQ(series.samples[2].at_s, 0.21);
  EXPECT_EQ(series.samples[2].records, 22u);
  series.Add({0.205, 22, 220, 1});  // by a clock that is a little behind
  ASSERT_EQ(series.samples.size(), 3u);
  EXPECT_DOUBLE_EQ(series.samples[2].at_s, 0.205);
}

}  // namespace
}  // namespace corewal
