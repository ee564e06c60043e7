// tests/proof/system_call_count.h: the system calls that a piece of code really makes.
//
//   const SystemCallCounts counts = CountSystemCalls([] {
//     ... prepare ...
//     StartCounting();
//     ... the steady state ...
//     StopCounting();
//   });
//   EXPECT_EQ(counts.of(SYS_io_uring_enter), 100u) << counts;
//
// The code runs in a forked child under ptrace(2), as strace does it, so that nothing escapes that
// a library does behind one's back. Only the child's first thread is watched: its rings' workers
// and pollers belong to the kernel.
#ifndef COREWAL_TESTS_PROOF_SYSTEM_CALL_COUNT_H_
#define COREWAL_TESTS_PROOF_SYSTEM_CALL_COUNT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>

namespace corewal {

struct SystemCallCounts {
  std::map<long, uint64_t> calls;  // by number: SYS_...
  std::string unavailable;         // not empty: nothing could be counted, and why

  uint64_t of(long number) const {
    const auto found = calls.find(number);
    return found == calls.end() ? 0 : found->second;
  }
  uint64_t total() const;
};
std::ostream& operator<<(std::ostream& os, const SystemCallCounts& counts);

// gtest's expectations work in `body`; a failed one fails the test that called this.
SystemCallCounts CountSystemCalls(const std::function<void()>& body);

// For `body`.
void StartCounting();
void StopCounting();

}  // namespace corewal

#endif  // COREWAL_TESTS_PROOF_SYSTEM_CALL_COUNT_H_
