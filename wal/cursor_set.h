// wal/cursor_set.h: named cursors: how far back a shard's log is still needed, and by whom.
// FORMAT.md, "Cursors".
//
//   "replica-b" -> lsn: nothing at or behind it is truncated, until it moves, is removed, or holds
//   back more than it may and is invalidated
//
// Kept in the file `cursors` of the shard's directory: two slots of one block, the newest valid one
// counts. A change is written over the older one, so it needs no space, and a torn write leaves the
// state before it. LogWriter owns the file; anybody may read it at any time.
// Thread: any, one call at a time.
#ifndef COREWAL_WAL_CURSOR_SET_H_
#define COREWAL_WAL_CURSOR_SET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io_backend/file_system.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

inline constexpr char kCursorFileName[] = "cursors";
inline constexpr size_t kCursorsMax = 63;
inline constexpr size_t kCursorNameBytesMax = 48;

struct LogCursor {
  std::string name;
  Lsn lsn;                   // the first LSN that it still needs
  bool invalidated = false;  // it held back too much: records from `lsn` on may be gone
  friend bool operator==(const LogCursor&, const LogCursor&) = default;
};

class CursorSet {
 public:
  // Nothing, if the directory has no such file. DataLoss: no slot is valid, or it is another log's
  // or shard's. Other errors: of reading.
  static absl::StatusOr<CursorSet> Read(FileSystem& files, const std::string& directory,
                                        const LogUuid& uuid, ShardId shard);

  CursorSet(const LogUuid& uuid, ShardId shard) : uuid_(uuid), shard_(shard) {}

  const std::vector<LogCursor>& cursors() const { return cursors_; }  // by name
  const LogCursor* Find(absl::string_view name) const;                // null: none
  // The lowest LSN that one which is not invalidated needs; UINT64_MAX: none.
  Lsn Floor() const;

  // InvalidArgument: the name is not 1 to 48 letters, digits, '.', '_' or '-'. ResourceExhausted:
  // kCursorsMax are there already.
  absl::Status Set(absl::string_view name, Lsn lsn);
  bool Remove(absl::string_view name);  // false: there is none
  // Invalidates those that need an LSN below `floor`; their number.
  size_t InvalidateBelow(Lsn floor);

  // Makes this the state after the one it was read or copied from. The slot to write it to is
  // slot(), at offset slot() * kBlockBytes.
  void NextGeneration() { ++generation_; }
  uint64_t generation() const { return generation_; }  // 0: never stored
  uint32_t slot() const { return static_cast<uint32_t>(generation_ % 2); }
  std::string EncodeSlot() const;  // kBlockBytes
  std::string EncodeFile() const;  // both slots, this state in its own

 private:
  static bool DecodeSlot(absl::string_view bytes, CursorSet* set);

  LogUuid uuid_;
  ShardId shard_{};
  uint64_t generation_ = 0;
  std::vector<LogCursor> cursors_;  // ascending by name
};

}  // namespace corewal

#endif  // COREWAL_WAL_CURSOR_SET_H_
