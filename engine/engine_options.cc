#include "engine/engine_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal {
namespace {

constexpr uint32_t kShardsMax = 1024;

absl::Status OutOfRange(absl::string_view name, uint64_t value, absl::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat(name, " ", value, ": want ", want));
}

absl::Status CheckShardOptions(const ShardOptions& shard) {
  const uint32_t mailbox = shard.mailbox_bytes;
  if (mailbox < 4096 || mailbox > 1u << 30 || (mailbox & (mailbox - 1)) != 0) {
    return OutOfRange("mailbox_bytes", mailbox, "a power of two from 4096 to 1 GiB");
  }
  if (shard.segment_bytes < kSegmentBytesMin || shard.segment_bytes > kSegmentBytesMax ||
      shard.segment_bytes % kBlockBytes != 0) {
    return OutOfRange("segment_bytes", shard.segment_bytes,
                      absl::StrCat("a multiple of ", kBlockBytes, " from ", kSegmentBytesMin,
                                   " to ", kSegmentBytesMax));
  }
  if (shard.segments_ready < 1 || shard.segments_ready > 64) {
    return OutOfRange("segments_ready", shard.segments_ready, "1 to 64");
  }
  if (shard.segments_first > 1024) {
    return OutOfRange("segments_first", shard.segments_first, "at most 1024");
  }
  if (shard.log_bytes_max != 0 && shard.log_bytes_max < 2 * shard.segment_bytes) {
    return OutOfRange("log_bytes_max", shard.log_bytes_max,
                      "at least two segments, or 0 for no limit");
  }
  if (shard.io.buffers < 3 || shard.io.buffers > 4088) {
    return OutOfRange("buffers", shard.io.buffers, "3 to 4088");
  }
  if (shard.io.buffer_bytes < 4 * kBlockBytes || shard.io.buffer_bytes % kBlockBytes != 0 ||
      shard.io.buffer_bytes > 64u << 20) {
    return OutOfRange(
        "buffer_bytes", shard.io.buffer_bytes,
        absl::StrCat("a multiple of ", kBlockBytes, " from ", 4 * kBlockBytes, " to 64 MiB"));
  }
  constexpr uint64_t kPaceBytesMax = 1ull << 40;
  if (shard.sync_bytes_max < kBlockBytes || shard.sync_bytes_max > kPaceBytesMax) {
    return OutOfRange("sync_bytes_max", shard.sync_bytes_max, "4 KiB to 1 TiB");
  }
  if (shard.write_bytes_max < kBlockBytes || shard.write_bytes_max > kPaceBytesMax) {
    return OutOfRange("write_bytes_max", shard.write_bytes_max, "4 KiB to 1 TiB");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckEngineOptions(const EngineOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("directory: none given");
  if (options.shards < 1 || options.shards > kShardsMax) {
    return OutOfRange("shards", options.shards, absl::StrCat("1 to ", kShardsMax));
  }
  return CheckShardOptions(options.shard);
}

}  // namespace corewal
