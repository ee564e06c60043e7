// io_backend/file_size_signal.h: makes a write beyond RLIMIT_FSIZE an error instead of a death.
//
// Such a write fails with EFBIG, but the kernel also sends SIGXFSZ to the writing thread, whose
// default is to kill the process. While one of these lives, its thread has SIGXFSZ blocked; the
// last one of a thread takes back what is pending and restores the thread's mask. Other threads
// and the process-wide disposition are not touched.
// Thread: any; nests. Destroyed by another thread than its own, or in a forked child, it leaves the
// mask as it is.
#ifndef COREWAL_IO_BACKEND_FILE_SIZE_SIGNAL_H_
#define COREWAL_IO_BACKEND_FILE_SIZE_SIGNAL_H_

#include "base/thread_owner.h"

namespace corewal {

class FileSizeSignalBlock {
 public:
  FileSizeSignalBlock();
  ~FileSizeSignalBlock();
  FileSizeSignalBlock(const FileSizeSignalBlock&) = delete;
  FileSizeSignalBlock& operator=(const FileSizeSignalBlock&) = delete;

 private:
  const ThreadOwner owner_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_FILE_SIZE_SIGNAL_H_
