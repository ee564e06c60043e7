// uring/file_table.h: files registered with a ring, so that an operation does not look one up.
//
// A slot must be cleared before its file is closed: until then the ring holds the file open, and
// an operation naming the slot would reach the old file after the descriptor number was reused.
// Thread: the ring's.
#ifndef COREWAL_URING_FILE_TABLE_H_
#define COREWAL_URING_FILE_TABLE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "uring/ring.h"

namespace corewal {

class FileTable {
 public:
  // A table of empty slots. `ring` must outlive it. FailedPrecondition: refused, with the reason.
  static absl::StatusOr<std::unique_ptr<FileTable>> Create(Ring* ring, uint32_t slots);
  // Puts the files down now, instead of some time after the ring is closed.
  ~FileTable();
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;

  absl::Status Install(uint32_t slot, int fd);
  // On error the slot may still hold the file: do not close it.
  absl::Status Clear(uint32_t slot);

  // The ring was given up: its table is no longer ours.
  void Leak() { ring_ = nullptr; }

 private:
  explicit FileTable(Ring* ring) : ring_(ring) {}

  const ThreadOwner owner_;
  Ring* ring_;
};

}  // namespace corewal

#endif  // COREWAL_URING_FILE_TABLE_H_
