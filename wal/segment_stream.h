// wal/segment_stream.h: the bytes of one segment file, in order, with several reads in flight.
//
//   file    |  chunk  |  chunk  |  chunk  |  chunk  |   expected file   |  chunk  | ...
//              view      ready     read in flight                      read in flight
//
// A view that lies in one chunk is that chunk's buffer, uncopied; one that straddles chunks is put
// together in a scratch buffer of one batch. The buffers are borrowed from the storage when the
// stream is made and serve one file after the other. When all of a file has been asked for, reading
// goes on in the file that is expected next, so that the disk does not stand still in between.
//
// Invariant: chunks of the expected file stand behind those of the file that is open, and exist
// only when nothing of that file is left to be asked for. Thread: that of the storage, which is
// used by this stream alone while a file is open.
#ifndef COREWAL_WAL_SEGMENT_STREAM_H_
#define COREWAL_WAL_SEGMENT_STREAM_H_

#include <array>
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
  // The file that is likely to be opened next, from its beginning. Only a hint: the file may be
  // another by then, or not be there. What was read ahead of it is used if the next Open is for
  // the same path from 0 with the same bytes_max, and forgotten otherwise.
  void Expect(const std::string& path, uint64_t bytes_max);
  bool is_open() const { return file().open; }
  // Waits for what is in flight and closes the file.
  void Close();

  // Bytes [offset, offset + length), fewer only where the file (or bytes_max) ends. `offset` never
  // decreases; `length` is at most kBatchBytesMax. Valid until the next call of anything here.
  absl::StatusOr<absl::Span<const std::byte>> View(uint64_t offset, uint32_t length);

  const std::string& path() const { return file().path; }
  uint64_t limit() const { return file().limit; }  // end of what can be viewed, in the file

 private:
  struct File {
    bool open = false;
    FileHandle handle;
    std::string path;
    uint64_t size_bytes = 0;  // when it was opened
    uint64_t bytes_max = 0;
    uint64_t limit = 0;      // end of what can be viewed
    uint64_t next_read = 0;  // first byte not asked for
    absl::Status failure;    // of a read; final for this file
  };
  struct Chunk {
    BufferLease buffer;  // empty while a read has it
    uint32_t file = 0;   // index in files_
    uint64_t begin = 0;  // in the file
    uint32_t asked = 0;  // bytes
    uint32_t bytes = 0;  // bytes that came
    bool reading = false;
  };

  SegmentStream(FileSystem& files, StorageIo& io, DirectMode direct)
      : file_system_(files), io_(io), direct_(direct) {}

  File& file() { return files_[current_]; }
  const File& file() const { return files_[current_]; }
  File& expected() { return files_[1 - current_]; }
  Chunk& front() { return chunks_[front_]; }
  absl::Status OpenFile(const std::string& path, uint64_t bytes_max, File* file);
  void CloseFile(File* file);
  // False: nothing was read of that.
  bool GoOnInExpected(const std::string& path, uint64_t bytes_max);
  absl::Status DropChunks();  // waits for those that are being read
  absl::Status DropFront();
  absl::Status FillReadAhead();
  absl::Status StartReads(uint32_t file_index, uint32_t* count, bool* staged);
  absl::Status StartRead(uint32_t file_index, uint32_t index);
  absl::Status WaitFor(const Chunk& chunk);
  absl::Status TakeCompletions();
  // Drops chunks that end at or before `offset`, and reads on.
  absl::Status MoveTo(uint64_t offset);
  absl::StatusOr<absl::Span<const std::byte>> Assemble(uint64_t offset, uint32_t length);

  FileSystem& file_system_;
  StorageIo& io_;
  const DirectMode direct_;
  // A ring: from front_ on used_ chunks hold or await consecutive bytes of the file that is open,
  // then ahead_ chunks those of the expected one.
  std::vector<Chunk> chunks_;
  uint32_t front_ = 0;
  uint32_t used_ = 0;
  uint32_t ahead_ = 0;

  std::array<File, 2> files_;
  uint32_t current_ = 0;       // in files_; the other is the expected one
  bool expects_file_ = false;  // expected() has path and bytes_max, and may be opened

  std::unique_ptr<std::byte[]> scratch_;  // kBatchBytesMax
  uint64_t scratch_begin_ = 0;            // in the file
  uint32_t scratch_bytes_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_STREAM_H_
