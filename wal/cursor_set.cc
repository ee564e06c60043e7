#include "wal/cursor_set.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "wal/little_endian.h"

namespace corewal {
namespace {

constexpr char kMagic[] = "CWCURSOR";
constexpr size_t kEntryBytes = 64;
constexpr size_t kHeaderBytes = 64;
// FORMAT.md, "Cursors".
constexpr size_t kCrcAt = 8, kCountAt = 12, kGenerationAt = 16, kUuidAt = 24, kShardAt = 40;
constexpr size_t kStateAt = 8, kNameLengthAt = 9, kNameAt = 16;
static_assert(kHeaderBytes + kCursorsMax * kEntryBytes <= kBlockBytes);

const std::byte* At(absl::string_view bytes, size_t offset) {
  return reinterpret_cast<const std::byte*>(bytes.data() + offset);
}
uint32_t SlotCrc(absl::string_view slot) {
  return Crc32c(absl::MakeConstSpan(At(slot, kCountAt), kBlockBytes - kCountAt));
}
void Put32(std::string* out, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) (*out)[at + i] = static_cast<char>(value >> (8 * i));
}
void Put64(std::string* out, size_t at, uint64_t value) {
  Put32(out, at, static_cast<uint32_t>(value));
  Put32(out, at + 4, static_cast<uint32_t>(value >> 32));
}

bool NameValid(absl::string_view name) {
  if (name.empty() || name.size() > kCursorNameBytesMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace

absl::StatusOr<CursorSet> CursorSet::Read(FileSystem& files, const std::string& directory,
                                          const LogUuid& uuid, ShardId shard) {
  const std::string path = absl::StrCat(directory, "/", kCursorFileName);
  CursorSet newest(uuid, shard);
  const absl::StatusOr<std::string> bytes = files.ReadSmallFile(path, 2 * kBlockBytes);
  if (absl::IsNotFound(bytes.status())) return newest;
  RETURN_IF_ERROR(bytes.status());
  bool found = false;
  for (size_t slot = 0; (slot + 1) * kBlockBytes <= bytes->size(); ++slot) {
    CursorSet set(uuid, shard);
    if (!DecodeSlot(absl::string_view(*bytes).substr(slot * kBlockBytes, kBlockBytes), &set) ||
        set.slot() != slot) {
      continue;
    }
    if (!found || set.generation_ > newest.generation_) newest = set;
    found = true;
  }
  if (found) return newest;
  return absl::DataLossError(
      absl::StrCat(path, ": no slot of it is valid for log ", uuid.ToString(), ", shard ",
                   ToIndex(shard), "; if no reader needs its cursor any more, remove the file"));
}

const LogCursor* CursorSet::Find(absl::string_view name) const {
  for (const LogCursor& cursor : cursors_) {
    if (cursor.name == name) return &cursor;
  }
  return nullptr;
}

Lsn CursorSet::Floor() const {
  Lsn floor(UINT64_MAX);
  for (const LogCursor& cursor : cursors_) {
    if (!cursor.invalidated) floor = std::min(floor, cursor.lsn);
  }
  return floor;
}

absl::Status CursorSet::Set(absl::string_view name, Lsn lsn) {
  if (!NameValid(name)) {
    return absl::InvalidArgumentError(absl::StrCat("cursor \"", std::string(name),
                                                   "\": a name is 1 to ", kCursorNameBytesMax,
                                                   " letters, digits, '.', '_' or '-'"));
  }
  const auto at = std::lower_bound(
      cursors_.begin(), cursors_.end(), name,
      [](const LogCursor& cursor, absl::string_view wanted) { return cursor.name < wanted; });
  if (at != cursors_.end() && at->name == name) {
    at->lsn = lsn;
    at->invalidated = false;
    return absl::OkStatus();
  }
  if (cursors_.size() == kCursorsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cursor ", std::string(name), ": the shard has ", kCursorsMax, " already"));
  }
  cursors_.insert(at, {std::string(name), lsn, false});
  return absl::OkStatus();
}

bool CursorSet::Remove(absl::string_view name) {
  const auto gone = std::remove_if(cursors_.begin(), cursors_.end(),
                                   [&](const LogCursor& cursor) { return cursor.name == name; });
  const bool found = gone != cursors_.end();
  cursors_.erase(gone, cursors_.end());
  return found;
}

size_t CursorSet::InvalidateBelow(Lsn floor) {
  size_t count = 0;
  for (LogCursor& cursor : cursors_) {
    if (cursor.invalidated || cursor.lsn >= floor) continue;
    cursor.invalidated = true;
    ++count;
  }
  return count;
}

std::string CursorSet::EncodeSlot() const {
  CHECK_LE(cursors_.size(), kCursorsMax);
  std::string slot(kBlockBytes, '\0');
  slot.replace(0, 8, kMagic, 8);
  Put32(&slot, kCountAt, static_cast<uint32_t>(cursors_.size()));
  Put64(&slot, kGenerationAt, generation_);
  std::memcpy(slot.data() + kUuidAt, uuid_.bytes.data(), uuid_.bytes.size());
  Put32(&slot, kShardAt, ToIndex(shard_));
  size_t at = kHeaderBytes;
  for (const LogCursor& cursor : cursors_) {
    Put64(&slot, at, cursor.lsn.value());
    slot[at + kStateAt] = static_cast<char>(cursor.invalidated ? 1 : 0);
    slot[at + kNameLengthAt] = static_cast<char>(cursor.name.size());
    slot.replace(at + kNameAt, cursor.name.size(), cursor.name);
    at += kEntryBytes;
  }
  Put32(&slot, kCrcAt, SlotCrc(slot));
  return slot;
}

std::string CursorSet::EncodeFile() const {
  std::string file(2 * kBlockBytes, '\0');
  return file.replace(slot() * kBlockBytes, kBlockBytes, EncodeSlot());
}

bool CursorSet::DecodeSlot(absl::string_view bytes, CursorSet* set) {
  if (bytes.substr(0, 8) != kMagic) return false;
  if (LoadLe32(At(bytes, kCrcAt)) != SlotCrc(bytes)) return false;
  if (std::memcmp(bytes.data() + kUuidAt, set->uuid_.bytes.data(), set->uuid_.bytes.size()) != 0) {
    return false;
  }
  if (LoadLe32(At(bytes, kShardAt)) != ToIndex(set->shard_)) return false;
  const uint32_t count = LoadLe32(At(bytes, kCountAt));
  if (count > kCursorsMax) return false;
  set->generation_ = LoadLe64(At(bytes, kGenerationAt));
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = kHeaderBytes + i * kEntryBytes;
    const size_t length = static_cast<uint8_t>(bytes[at + kNameLengthAt]);
    const absl::string_view name =
        bytes.substr(at + kNameAt, std::min(length, kCursorNameBytesMax));
    const bool in_order = set->cursors_.empty() || set->cursors_.back().name < name;
    if (length > kCursorNameBytesMax || !NameValid(name) || !in_order) return false;
    set->cursors_.push_back(
        {std::string(name), Lsn(LoadLe64(At(bytes, at))), bytes[at + kStateAt] != 0});
  }
  return true;
}

}  // namespace corewal
