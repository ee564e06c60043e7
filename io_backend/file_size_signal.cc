#include "io_backend/file_size_signal.h"

#include <pthread.h>
#include <signal.h>

#include <ctime>

namespace corewal {
namespace {

constinit thread_local int depth = 0;
constinit thread_local bool was_blocked = false;  // before the outermost one

sigset_t FileSizeSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  return set;
}

}  // namespace

FileSizeSignalBlock::FileSizeSignalBlock() {
  if (depth++ > 0) return;
  const sigset_t set = FileSizeSignal();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);  // cannot fail with valid arguments
  was_blocked = sigismember(&before, SIGXFSZ) == 1;
}

FileSizeSignalBlock::~FileSizeSignalBlock() {
  if (owner_.Identify() != ThreadOwner::Caller::kOwner) return;
  if (--depth > 0 || was_blocked) return;
  const sigset_t set = FileSizeSignal();
  const timespec at_once = {};
  while (sigtimedwait(&set, nullptr, &at_once) == SIGXFSZ) {
  }
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace corewal
