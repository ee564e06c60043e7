// wal/segment_stream.h: the bytes of one segment file, in order, with several reads in flight.
//
//   file    |  chunk  |  chunk  |  chunk  |  chunk  | ...
//              view      ready     read in flight
//
// A view that lies in one chunk is that chunk's buffer, uncopied; one that straddles chunks is put
// together in a scratch buffer of one batch. The buffers are borrowed from the storage when the
// stream is made and serve one file after the other.
// Thread: that of the storage, which is used by this stream alone while a file is open.
#ifndef COREWAL_WAL_SEGMENT_STREAM_H_
#define COREWAL_WAL_SEGMENT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"

namespace corewal {

class SegmentStream {
 public:
  // Takes up to `read_ahead` buffers, as many as are free. ResourceExhausted: none is.
  static absl::StatusOr<std::unique_ptr<SegmentStream>> Create(FileSystem& files, StorageIo& io,
                                                               uint32_t read_ahead,
                                                               DirectMode direct);
  ~SegmentStream() { Close(); }
  SegmentStream(const SegmentStream&) = delete;
  SegmentStream& operator=(const SegmentStream&) = delete;

  // Opens `path`, closing the file before it, and starts reading at `offset`, a multiple of a
  // block. Nothing beyond `bytes_max` of the file is read.
  absl::Status Open(const std::string& path, uint64_t offset, uint64_t bytes_max);
  // Begins anew at `offset` of the file that is open, which somebody may have written to since:
  // nothing that was read before is used. The file's size is taken to be what it was at Open.
  absl::Status Restart(uint64_t offset, uint64_t bytes_max);
  bool is_open() const { return open_; }
  // Waits for what is in flight and closes the file.
  void Close();

  // Bytes [offset, offset + length), fewer only where the file (or bytes_max) ends. `offset` never
  // decreases; `length` is at most kBatchBytesMax. Valid until the next call of anything here.
  absl::StatusOr<absl::Span<const std::byte>> View(uint64_t offset, uint32_t length);

  const std::string& path() const { return path_; }
  uint64_t limit() const { return limit_; }  // end of what can be viewed, in the file

 private:
  struct Chunk {
    BufferLease buffer;  // empty while a read has it
    uint64_t begin = 0;  // in the file
    uint32_t asked = 0;  // bytes
    uint32_t bytes = 0;  // bytes that came
    bool reading = false;
  };

  SegmentStream(FileSystem& files, StorageIo& io, DirectMode direct)
      : files_(files), io_(io), direct_(direct) {}

  Chunk& front() { return chunks_[front_]; }
  absl::Status FillReadAhead();
  absl::Status StartRead(Chunk& chunk, uint32_t index);
  absl::Status WaitFor(const Chunk& chunk);
  absl::Status TakeCompletions();
  // Drops chunks that end at or before `offset`, and reads on.
  absl::Status MoveTo(uint64_t offset);
  absl::StatusOr<absl::Span<const std::byte>> Assemble(uint64_t offset, uint32_t length);

  FileSystem& files_;
  StorageIo& io_;
  const DirectMode direct_;
  std::vector<Chunk> chunks_;  // a ring; [front_, front_ + used_) hold or await consecutive bytes
  uint32_t front_ = 0;
  uint32_t used_ = 0;

  bool open_ = false;
  FileHandle file_;
  std::string path_;
  uint64_t limit_ = 0;
  uint64_t next_read_ = 0;   // in the file: first byte not asked for
  uint64_t size_bytes_ = 0;  // of the file, when it was opened
  absl::Status failure_;     // of a read; final for this file

  std::unique_ptr<std::byte[]> scratch_;  // kBatchBytesMax
  uint64_t scratch_begin_ = 0;            // in the file
  uint32_t scratch_bytes_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_STREAM_H_
