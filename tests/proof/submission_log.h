// tests/proof/submission_log.h: the submission queue entries of this process's rings, read where
// the kernel reads them: in the ring's own memory, which keeps each entry until its place is used
// again.
//
// Evidence of what was asked of the kernel that no flag or counter of ours can fake: opcode, fixed
// file, index of the registered buffer.
#ifndef COREWAL_TESTS_PROOF_SUBMISSION_LOG_H_
#define COREWAL_TESTS_PROOF_SUBMISSION_LOG_H_

#include <liburing.h>

#include <vector>

namespace corewal {

// The entries of all rings that this process has mapped, used ones only (user_data is not 0).
std::vector<io_uring_sqe> SubmittedEntries();

inline bool IsFixedFile(const io_uring_sqe& entry) { return (entry.flags & IOSQE_FIXED_FILE) != 0; }

}  // namespace corewal

#endif  // COREWAL_TESTS_PROOF_SUBMISSION_LOG_H_
