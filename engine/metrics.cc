#include "engine/metrics.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal {
namespace {

struct Metric {
  const char* name;
  const char* type;
  const char* help;
  uint64_t (*value)(const ShardInfo&);
};

constexpr std::array kMetrics = {
    Metric{"appended_lsn", "gauge", "LSN behind the last record framed.",
           [](const ShardInfo& i) { return i.appended.value(); }},
    Metric{"submitted_lsn", "gauge", "LSN behind the last batch handed to the kernel.",
           [](const ShardInfo& i) { return i.submitted.value(); }},
    Metric{"written_lsn", "gauge", "LSN behind the contiguous prefix of completed writes.",
           [](const ShardInfo& i) { return i.written.value(); }},
    Metric{"durable_lsn", "gauge", "Every record below this LSN is durable.",
           [](const ShardInfo& i) { return i.durable.value(); }},
    Metric{"oldest_lsn", "gauge", "Where the log begins: what is before it was truncated.",
           [](const ShardInfo& i) { return i.oldest.value(); }},
    Metric{"log_bytes", "gauge", "Bytes of all segment files, prepared ones included.",
           [](const ShardInfo& i) { return i.log_bytes; }},
    Metric{"records_total", "counter", "Records in batches handed to the kernel.",
           [](const ShardInfo& i) { return i.writer.records; }},
    Metric{"payload_bytes_total", "counter", "Bytes of their payloads.",
           [](const ShardInfo& i) { return i.writer.payload_bytes; }},
    Metric{"batches_total", "counter", "Batches with records.",
           [](const ShardInfo& i) { return i.writer.batches; }},
    Metric{"batch_bytes_total", "counter",
           "Bytes written to the log, with headers, framing and padding.",
           [](const ShardInfo& i) { return i.writer.batch_bytes; }},
    Metric{"padding_bytes_total", "counter", "Bytes of padding among them.",
           [](const ShardInfo& i) { return i.writer.padding_bytes; }},
    Metric{"seals_total", "counter", "Seals written by an idle or closed log.",
           [](const ShardInfo& i) { return i.writer.seals; }},
    Metric{"syncs_total", "counter", "Datasyncs, or DSYNC writes.",
           [](const ShardInfo& i) { return i.writer.syncs; }},
    Metric{"segments_started_total", "counter", "Segments started.",
           [](const ShardInfo& i) { return i.writer.rolls; }},
    Metric{"segments_prepared_total", "counter", "Segments prepared ahead.",
           [](const ShardInfo& i) { return i.writer.segments_prepared; }},
    Metric{"segments_ready", "gauge", "Segments prepared and not started.",
           [](const ShardInfo& i) { return i.writer.segments_ready; }},
    Metric{"append_stalls_total", "counter", "Appends put off: no buffer or no segment was ready.",
           [](const ShardInfo& i) { return i.writer.stalls; }},
    Metric{"mailbox_used_bytes", "gauge", "Bytes of messages that wait for the shard.",
           [](const ShardInfo& i) { return i.mailbox_used_bytes; }},
    Metric{"io_operations_total", "counter", "Operations handed to the kernel.",
           [](const ShardInfo& i) { return i.io_stats.submitted; }},
    Metric{"io_failed_total", "counter", "Operations that failed.",
           [](const ShardInfo& i) { return i.io_stats.failed; }},
    Metric{"io_enters_total", "counter", "System calls made to submit, wait or do the I/O.",
           [](const ShardInfo& i) { return i.io_stats.enters; }},
    Metric{"failed", "gauge", "1: the shard has failed for good.",
           [](const ShardInfo& i) { return uint64_t{i.failure.ok() ? 0u : 1u}; }},
};

// Upper bounds in nanoseconds and, as the text has them, in seconds.
struct Bound {
  uint64_t ns;
  const char* seconds;
};
constexpr std::array kBounds = {
    Bound{10'000, "1e-05"},    Bound{25'000, "2.5e-05"},   Bound{50'000, "5e-05"},
    Bound{100'000, "0.0001"},  Bound{250'000, "0.00025"},  Bound{500'000, "0.0005"},
    Bound{1'000'000, "0.001"}, Bound{2'500'000, "0.0025"}, Bound{5'000'000, "0.005"},
    Bound{10'000'000, "0.01"}, Bound{25'000'000, "0.025"}, Bound{50'000'000, "0.05"},
    Bound{100'000'000, "0.1"}, Bound{250'000'000, "0.25"}, Bound{1'000'000'000, "1"},
};

void Head(absl::string_view name, absl::string_view type, absl::string_view help,
          std::string* out) {
  absl::StrAppend(out, "# HELP corewal_", name, " ", help, "\n# TYPE corewal_", name, " ", type,
                  "\n");
}

// In a label's value: backslash, quote and newline are escaped.
std::string Escaped(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped.push_back('\\');
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

void AppendHistogram(absl::string_view name, size_t shard, const Histogram& histogram,
                     std::string* out) {
  uint64_t below = 0;
  size_t bucket = 0;
  for (const Bound& bound : kBounds) {
    while (bucket < Histogram::kBuckets && Histogram::HighestOf(bucket) <= bound.ns) {
      below += histogram.CountOf(bucket++);
    }
    absl::StrAppend(out, "corewal_", name, "_bucket{shard=\"", shard, "\",le=\"", bound.seconds,
                    "\"} ", below, "\n");
  }
  absl::StrAppend(out, "corewal_", name, "_bucket{shard=\"", shard, "\",le=\"+Inf\"} ",
                  histogram.count(), "\n");
  absl::StrAppend(out, "corewal_", name, "_sum{shard=\"", shard, "\"} ",
                  static_cast<double>(histogram.sum()) * 1e-9, "\n");
  absl::StrAppend(out, "corewal_", name, "_count{shard=\"", shard, "\"} ", histogram.count(), "\n");
}

void AppendCursors(const std::vector<ShardInfo>& shards, std::string* out) {
  const auto each = [&](absl::string_view name, absl::string_view help, const auto& value) {
    Head(name, "gauge", help, out);
    for (size_t i = 0; i < shards.size(); ++i) {
      for (const LogCursor& cursor : shards[i].cursors) {
        absl::StrAppend(out, "corewal_", name, "{shard=\"", i, "\",cursor=\"", cursor.name, "\"} ",
                        value(shards[i], cursor), "\n");
      }
    }
  };
  each("cursor_lag_bytes", "From a named cursor to the durable LSN.",
       [](const ShardInfo& i, const LogCursor& cursor) {
         return i.durable.value() - std::min(i.durable, cursor.lsn).value();
       });
  each("cursor_invalidated", "1: the cursor held back too much, and records that it needed may go.",
       [](const ShardInfo&, const LogCursor& cursor) { return cursor.invalidated ? 1 : 0; });
}

}  // namespace

std::string EngineMetrics::ToPrometheus() const {
  std::string out;
  for (const Metric& metric : kMetrics) {
    Head(metric.name, metric.type, metric.help, &out);
    for (size_t i = 0; i < shards.size(); ++i) {
      absl::StrAppend(&out, "corewal_", metric.name, "{shard=\"", i, "\"} ",
                      metric.value(shards[i]), "\n");
    }
  }
  Head("sync_latency_seconds", "histogram", "From a datasync's submission to its answer.", &out);
  for (size_t i = 0; i < shards.size(); ++i) {
    AppendHistogram("sync_latency_seconds", i, shards[i].sync_latency_ns, &out);
  }
  Head("write_latency_seconds", "histogram", "From a write's submission to its answer.", &out);
  for (size_t i = 0; i < shards.size(); ++i) {
    AppendHistogram("write_latency_seconds", i, shards[i].write_latency_ns, &out);
  }
  AppendCursors(shards, &out);
  Head("backend_info", "gauge", "What is in effect; always 1.", &out);
  for (size_t i = 0; i < shards.size(); ++i) {
    absl::StrAppend(&out, "corewal_backend_info{shard=\"", i, "\",backend=\"",
                    Escaped(shards[i].io.backend), "\",ring_mode=\"",
                    Escaped(shards[i].io.ring_mode), "\",sync_method=\"",
                    SyncMethodName(shards[i].sync_method), "\"} 1\n");
  }
  Head("fallback_info", "gauge", "Why something better is not in effect; always 1.", &out);
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::vector<std::string>& reasons = shards[i].io.fallback_reasons;
    // A series may come once only.
    for (const std::string& reason : std::set<std::string>(reasons.begin(), reasons.end())) {
      absl::StrAppend(&out, "corewal_fallback_info{shard=\"", i, "\",reason=\"", Escaped(reason),
                      "\"} 1\n");
    }
  }
  const auto single = [&out](const char* name, const char* type, const char* help, uint64_t value) {
    Head(name, type, help, &out);
    absl::StrAppend(&out, "corewal_", name, " ", value, "\n");
  };
  single("open_epoch", "gauge", "The epoch that appends land in.", open_epoch.value());
  single("durable_epoch", "gauge", "The last epoch that is durable on all shards.",
         durable_epoch.value());
  single("epochs_stopped", "gauge", "1: a shard's failure stops the epochs.",
         epoch_status.ok() ? 0 : 1);
  single("atomic_batches_undecided", "gauge",
         "1: a failure left an atomic batch undecided; truncation goes only so far.",
         atomic_status.ok() ? 0 : 1);
  single("atomic_batches_total", "counter", "Atomic batches begun.", atomic_batches);
  return out;
}

}  // namespace corewal
