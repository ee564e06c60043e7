// base/thread_owner.h: which thread of which process made an object, checked without a system call.
//
//   const ThreadOwner owner_;                  // remembers who constructs it
//   RETURN_IF_ERROR(owner_.Check());           // FailedPrecondition for anybody else
//
// A forked child is told from its parent by a page that the kernel clears in the child
// (MADV_WIPEONFORK, Linux 4.14), so that fork(2) by any means is seen.
#ifndef COREWAL_BASE_THREAD_OWNER_H_
#define COREWAL_BASE_THREAD_OWNER_H_

#include <cstdint>

#include "absl/status/status.h"

namespace corewal {

// Differs between a process and its forked children, and stays the same within each. Any thread.
uint64_t ProcessGeneration();

class ThreadOwner {
 public:
  enum class Caller : uint8_t { kOwner, kForeignThread, kForkedChild };

  ThreadOwner();

  Caller Identify() const;
  // OK for the owner; FailedPrecondition for a foreign thread or a forked child, saying which.
  absl::Status Check() const {
    const Caller caller = Identify();
    return caller == Caller::kOwner ? absl::OkStatus() : Refusal(caller);
  }

 private:
  static absl::Status Refusal(Caller caller);

  uint64_t process_;
  uint64_t thread_;
};

}  // namespace corewal

#endif  // COREWAL_BASE_THREAD_OWNER_H_
