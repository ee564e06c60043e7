#include "tools/html_report.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/html_text.h"
#include "tools/human_units.h"
#include "tools/page_style.h"
#include "tools/ratio_bars.h"
#include "tools/run_charts.h"

namespace corewal {
namespace {

constexpr int kColors = 6;

// A number of a run's JSON object, as people read it; the machine-readable one goes with it.
std::string Data(size_t run, const JsonObject& json, absl::string_view key,
                 absl::string_view text) {
  for (const auto& [name, value] : json.members()) {
    if (name != key) continue;
    return absl::StrCat("<data data-run=\"", run, "\" data-key=\"", key, "\" value=\"",
                        HtmlText(value), "\">", HtmlText(text), "</data>");
  }
  return HtmlText(text);
}

std::string Facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string html = "<table class=\"facts\">\n";
  for (const auto& [label, text] : facts) {
    absl::StrAppend(&html, "<tr><th scope=\"row\">", HtmlText(label), "</th><td>", HtmlText(text),
                    "</td></tr>\n");
  }
  return absl::StrCat(html, "</table>\n");
}

std::string Notes(const std::vector<std::string>& notes) {
  std::string html;
  for (const std::string& note : notes) {
    absl::StrAppend(&html, "<p class=\"note\">", HtmlText(note), "</p>\n");
  }
  return html;
}

std::string Subtitle(absl::string_view text) {
  return text.empty() ? std::string() : absl::StrCat("<p>", HtmlText(text), "</p>\n");
}

class Page {
 public:
  explicit Page(const HtmlReport& report) : report_(report) {}
  std::string Write();

 private:
  bool several() const { return report_.runs.size() > 1; }
  ChartedRun Charted(size_t run) const {
    return {report_.runs[run].name, &report_.runs[run].result, static_cast<int>(run) % kColors};
  }
  std::vector<ChartedRun> All() const {
    std::vector<ChartedRun> all;
    for (size_t i = 0; i < report_.runs.size(); ++i) all.push_back(Charted(i));
    return all;
  }
  std::string MainFigure(size_t run) const;
  std::string Micros(size_t run, absl::string_view key, const std::optional<double>& us) const;
  std::string FloorFigure(size_t run) const;
  std::string RatioFigure(size_t run) const;
  void WriteOverview();
  void WriteOverviewRow(size_t run);
  void WriteFigure(absl::string_view label, const std::string& value, absl::string_view more = "");
  void WriteRun(size_t run);
  void WriteFigures(size_t run);
  void WriteCharts(size_t run);
  void WriteAllKeys(size_t run);

  const HtmlReport& report_;
  std::string html_;
};

std::string Page::MainFigure(size_t run) const {
  const BenchResult& result = report_.runs[run].result;
  const JsonObject& json = report_.runs[run].json;
  if (result.counts_records()) {
    return Data(run, json, "records_per_s", absl::StrCat(HumanRate(result.records_per_s()), " /s"));
  }
  return Data(run, json, "mb_per_s", HumanMbPerS(result.mb_per_s()));
}

std::string Page::Micros(size_t run, absl::string_view key, const std::optional<double>& us) const {
  return us ? Data(run, report_.runs[run].json, key, HumanMicros(*us)) : std::string("&ndash;");
}

std::string Page::FloorFigure(size_t run) const {
  const BenchResult& result = report_.runs[run].result;
  const JsonObject& json = report_.runs[run].json;
  if (result.counts_records() && result.floor_commits_per_s) {
    return Data(run, json, "floor_commits_per_s",
                absl::StrCat(HumanRate(*result.floor_commits_per_s), " /s"));
  }
  if (result.floor_mb_per_s) {
    return Data(run, json, "floor_mb_per_s", HumanMbPerS(*result.floor_mb_per_s));
  }
  if (result.floor_read_mb_per_s) {
    return Data(run, json, "floor_read_mb_per_s", HumanMbPerS(*result.floor_read_mb_per_s));
  }
  return "&ndash;";
}

std::string Page::RatioFigure(size_t run) const {
  const auto ratio = report_.runs[run].result.ratio_to_floor();
  return ratio ? Data(run, report_.runs[run].json, "ratio_to_floor", HumanRatio(*ratio))
               : std::string("&ndash;");
}

void Page::WriteOverviewRow(size_t run) {
  const BenchResult& result = report_.runs[run].result;
  absl::StrAppend(&html_, "<tr><td><span class=\"key s", run % kColors, "\"></span>",
                  HtmlText(report_.runs[run].name), "</td><td class=\"n\">", MainFigure(run));
  for (const auto& [key, us] : {std::pair{"p50_us", result.p50_us},
                                {"p99_us", result.p99_us},
                                {"p999_us", result.p999_us},
                                {"max_us", result.max_us}}) {
    absl::StrAppend(&html_, "</td><td class=\"n\">", Micros(run, key, us));
  }
  absl::StrAppend(&html_, "</td><td class=\"n\">", FloorFigure(run), "</td><td class=\"n\">",
                  RatioFigure(run), "</td></tr>\n");
}

void Page::WriteOverview() {
  absl::StrAppend(&html_,
                  "<section class=\"card\"><h2 style=\"margin-top:0\">All runs</h2>\n"
                  "<div class=\"scroll\"><table><thead><tr><th>run</th><th class=\"n\">corewal</th>"
                  "<th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">p99.9</th>"
                  "<th class=\"n\">max</th><th class=\"n\">device floor</th>"
                  "<th class=\"n\">ratio</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < report_.runs.size(); ++i) {
    if (report_.runs[i].result.workload != Workload::kProbe) WriteOverviewRow(i);
  }
  absl::StrAppend(&html_, "</tbody></table></div>\n");
  if (const std::string bars = RatioBars(All()); !bars.empty()) {
    absl::StrAppend(&html_,
                    "<h3>Ratio to the device floor</h3><p class=\"soft small\">The bar is the "
                    "median, each dot a round; raw system calls on the same disk, measured in "
                    "between, are 1.</p>\n",
                    bars);
  }
  if (const auto chart = LatencyChart(All())) {
    absl::StrAppend(&html_, "<h3>Latency by percentile</h3><ul class=\"legend\">\n");
    for (size_t i = 0; i < report_.runs.size(); ++i) {
      if (report_.runs[i].result.latency_ns.count() == 0) continue;
      absl::StrAppend(&html_, "<li><span class=\"key s", i % kColors, "\"></span>",
                      HtmlText(report_.runs[i].name), "</li>\n");
    }
    absl::StrAppend(&html_, "</ul>\n", chart->ToSvg());
  }
  absl::StrAppend(&html_, "</section>\n");
}

void Page::WriteFigure(absl::string_view label, const std::string& value, absl::string_view more) {
  absl::StrAppend(&html_, "<div><dt>", label, "</dt><dd>", value);
  if (!more.empty()) absl::StrAppend(&html_, "<small>", HtmlText(more), "</small>");
  absl::StrAppend(&html_, "</dd></div>\n");
}

void Page::WriteFigures(size_t run) {
  const ReportedRun& reported = report_.runs[run];
  const BenchResult& result = reported.result;
  absl::StrAppend(&html_, "<dl class=\"figures\">\n");
  if (result.workload == Workload::kProbe) {
    const auto& json = reported.json;
    WriteFigure("durable 4 KiB writes",
                Data(run, json, "floor_commits_per_s",
                     absl::StrCat(HumanRate(result.floor_commits_per_s.value_or(0)), " /s")),
                "one at a time, raw system calls");
    WriteFigure("durable stream", FloorFigure(run), "raw system calls");
    absl::StrAppend(&html_, "</dl>\n");
    return;
  }
  WriteFigure(result.counts_records() ? "records" : "payload", MainFigure(run),
              result.counts_records()
                  ? HumanMbPerS(result.mb_per_s())
                  : absl::StrCat(HumanRate(result.records_per_s()), " records/s"));
  if (result.open_ms) {
    WriteFigure("open", Data(run, reported.json, "open_ms", HumanMicros(*result.open_ms * 1e3)));
  }
  if (result.p50_us) {
    WriteFigure("p50", Micros(run, "p50_us", result.p50_us));
    WriteFigure("p99", Micros(run, "p99_us", result.p99_us));
    WriteFigure("p99.9", Micros(run, "p999_us", result.p999_us));
    WriteFigure("max", Micros(run, "max_us", result.max_us));
  }
  if (result.ratio_to_floor()) {
    WriteFigure("ratio to floor", RatioFigure(run), "of raw system calls");
    WriteFigure("device floor", FloorFigure(run));
  }
  if (result.cpu_us_per_record) {
    WriteFigure("CPU a record", Micros(run, "cpu_us_per_record", result.cpu_us_per_record));
  }
  absl::StrAppend(&html_, "</dl>\n");
}

void Page::WriteCharts(size_t run) {
  const BenchResult& result = report_.runs[run].result;
  if (const auto chart = ThroughputChart({Charted(run)})) {
    absl::StrAppend(&html_, "<h3>Throughput over time</h3>\n", chart->ToSvg());
    std::string key = absl::StrCat(
        "The clock stands still while the device floor is measured",
        chart->borders.empty() ? "" : " (dotted lines)", "; ",
        chart->marks.empty()
            ? "no new segment was started."
            : absl::StrCat("each tick on the axis is the start of a segment (", chart->marks.size(),
                           " of ", HumanBytes(result.segment_bytes), ")."));
    absl::StrAppend(&html_, "<p class=\"soft small\">", HtmlText(key), "</p>\n");
  }
  if (const auto chart = LatencyChart({Charted(run)})) {
    absl::StrAppend(&html_, "<h3>Latency by percentile</h3>\n", chart->ToSvg());
  }
  if (several()) return;  // all of them are above, side by side
  if (const std::string bars = RatioBars({Charted(run)}); !bars.empty()) {
    absl::StrAppend(&html_, "<h3>Ratio to the device floor</h3>\n", bars,
                    "<p class=\"soft small\">The bar is the median, each dot a round. The floor: ",
                    HtmlText(result.floor_how), ".</p>\n");
  }
}

void Page::WriteAllKeys(size_t run) {
  absl::StrAppend(&html_, "<details><summary>Every figure, as in the JSON</summary>\n",
                  "<table class=\"facts\">\n");
  for (const auto& [key, value] : report_.runs[run].json.members()) {
    absl::StrAppend(&html_, "<tr><th scope=\"row\"><code>", HtmlText(key), "</code></th><td>",
                    Data(run, report_.runs[run].json, key, value), "</td></tr>\n");
  }
  absl::StrAppend(&html_, "</table></details>\n");
}

void Page::WriteRun(size_t run) {
  const ReportedRun& reported = report_.runs[run];
  absl::StrAppend(&html_, "<section class=\"run\">");
  if (several()) {
    absl::StrAppend(&html_, "<h2><span class=\"key s", run % kColors, "\"></span>",
                    HtmlText(reported.name), "</h2>\n<p class=\"soft small\">",
                    HtmlText(reported.title), "</p>\n");
  }
  for (const std::string& warning : reported.warnings) {
    const auto& said = report_.notes;
    if (std::find(said.begin(), said.end(), warning) != said.end()) continue;
    absl::StrAppend(&html_, Notes({warning}));
  }
  if (!reported.result.verified()) {
    absl::StrAppend(&html_, "<p class=\"note bad\">NOT VERIFIED: ",
                    HtmlText(reported.result.first_verify_error), "</p>\n");
  }
  WriteFigures(run);
  WriteCharts(run);
  absl::StrAppend(&html_, "<h3>Settings</h3>\n", Facts(reported.settings));
  WriteAllKeys(run);
  absl::StrAppend(&html_, "</section>\n");
}

std::string Page::Write() {
  html_ = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      HtmlText(report_.title), "</title>\n<style>", kPageStyle, "</style>\n</head>\n<body><main>\n",
      "<h1>", HtmlText(report_.title), "</h1>\n<p class=\"soft\">wal-bench, ",
      HtmlText(report_.time), "</p>\n", Subtitle(report_.subtitle), Notes(report_.notes));
  if (several()) WriteOverview();
  for (size_t i = 0; i < report_.runs.size(); ++i) WriteRun(i);
  absl::StrAppend(&html_, "<section class=\"card\"><h2 style=\"margin-top:0\">The machine</h2>\n",
                  Facts(report_.machine), "</section>\n");
  absl::StrAppend(&html_,
                  "<footer>Written by wal-bench --html. The ratio compares with raw system calls "
                  "on the same disk in the same run; absolute figures belong to this machine.",
                  "</footer>\n</main>\n<script type=\"application/json\" id=\"runs\">[",
                  absl::StrJoin(report_.runs, ",\n",
                                [](std::string* text, const ReportedRun& run) {
                                  absl::StrAppend(text, JsonInHtml(run.json.ToString()));
                                }),
                  "]</script>\n</body>\n</html>\n");
  return std::move(html_);
}

}  // namespace

std::string HtmlReport::ToHtml() const { return Page(*this).Write(); }

}  // namespace corewal
