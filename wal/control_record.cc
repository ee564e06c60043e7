#include "wal/control_record.h"

#include "wal/little_endian.h"

namespace corewal {
namespace {

constexpr size_t kBarrierBytes = 16;
constexpr size_t kCheckpointBytes = 8;
constexpr size_t kPartBytes = 24;
constexpr size_t kHomeBytes = 24;
constexpr size_t kHomePartBytes = 16;

void Put32(std::string* out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}
void Put64(std::string* out, uint64_t value) {
  Put32(out, static_cast<uint32_t>(value));
  Put32(out, static_cast<uint32_t>(value >> 32));
}

}  // namespace

std::string EpochBarrierRecord::Encode() const {
  std::string bytes;
  Put64(&bytes, epoch.value());
  Put32(&bytes, shards);
  Put32(&bytes, 0);
  return bytes;
}

std::optional<EpochBarrierRecord> EpochBarrierRecord::Decode(absl::Span<const std::byte> payload) {
  if (payload.size() != kBarrierBytes || LoadLe32(payload.data() + 12) != 0) return std::nullopt;
  return EpochBarrierRecord{Epoch(LoadLe64(payload.data())), LoadLe32(payload.data() + 8)};
}

std::string CheckpointRecord::Encode() const {
  std::string bytes;
  Put64(&bytes, lsn.value());
  bytes.append(reinterpret_cast<const char*>(note.data()), note.size());
  return bytes;
}

std::optional<CheckpointRecord> CheckpointRecord::Decode(absl::Span<const std::byte> payload) {
  if (payload.size() < kCheckpointBytes) return std::nullopt;
  return CheckpointRecord{Lsn(LoadLe64(payload.data())), payload.subspan(kCheckpointBytes)};
}

std::string AtomicPartRecord::EncodePrefix() const {
  std::string bytes;
  Put64(&bytes, id.opening);
  Put64(&bytes, id.number);
  Put32(&bytes, ToIndex(home));
  Put32(&bytes, static_cast<uint32_t>(type));
  return bytes;
}

std::optional<AtomicPartRecord> AtomicPartRecord::Decode(absl::Span<const std::byte> payload) {
  if (payload.size() < kPartBytes) return std::nullopt;
  const uint32_t home = LoadLe32(payload.data() + 16), type = LoadLe32(payload.data() + 20);
  if (home > 65535 || type > 127) return std::nullopt;
  AtomicPartRecord part;
  part.id = {LoadLe64(payload.data()), LoadLe64(payload.data() + 8)};
  part.home = ShardId{home};
  part.type = static_cast<RecordType>(type);
  part.payload = payload.subspan(kPartBytes);
  return part;
}

std::string AtomicHomeRecord::Encode() const {
  std::string bytes;
  Put64(&bytes, id.opening);
  Put64(&bytes, id.number);
  Put32(&bytes, static_cast<uint32_t>(type));
  Put32(&bytes, static_cast<uint32_t>(parts.size()));
  for (const Part& part : parts) {
    Put32(&bytes, ToIndex(part.shard));
    Put32(&bytes, 0);
    Put64(&bytes, part.lsn.value());
  }
  bytes.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  return bytes;
}

std::optional<AtomicHomeRecord> AtomicHomeRecord::Decode(absl::Span<const std::byte> payload) {
  if (payload.size() < kHomeBytes) return std::nullopt;
  const uint32_t type = LoadLe32(payload.data() + 16), count = LoadLe32(payload.data() + 20);
  if (type > 127 || count > (payload.size() - kHomeBytes) / kHomePartBytes) return std::nullopt;
  AtomicHomeRecord home;
  home.id = {LoadLe64(payload.data()), LoadLe64(payload.data() + 8)};
  home.type = static_cast<RecordType>(type);
  for (uint32_t i = 0; i < count; ++i) {
    const std::byte* at = payload.data() + kHomeBytes + i * kHomePartBytes;
    if (LoadLe32(at) > 65535 || LoadLe32(at + 4) != 0) return std::nullopt;
    home.parts.push_back({ShardId{LoadLe32(at)}, Lsn(LoadLe64(at + 8))});
  }
  home.payload = payload.subspan(kHomeBytes + count * kHomePartBytes);
  return home;
}

}  // namespace corewal
