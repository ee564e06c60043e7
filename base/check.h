// base/check.h: CHECK for our own bugs, never for what the environment does.
//
// A failed CHECK prints the condition, its place and the streamed message, then aborts. A stand-in
// for absl/log/check.h, which Debian 12's abseil lacks; same names, so that it can be swapped out.
// Not for public headers: the macros are short and common.
//
//   CHECK(offset % kBlockBytes == 0) << "offset " << offset;
//   CHECK_LE(durable, written) << DebugString();
#ifndef COREWAL_BASE_CHECK_H_
#define COREWAL_BASE_CHECK_H_

#include <sstream>

namespace corewal::base_internal {

// Collects the message; its destructor prints and aborts.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  std::ostream& stream() { return message_; }

 private:
  std::ostringstream message_;
};

// Lets CHECK be an expression of type void: & binds weaker than <<.
struct Voidify {
  void operator&(std::ostream&) {}
};

}  // namespace corewal::base_internal

#define COREWAL_CHECK_IMPL(condition, text)         \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? (void)0                                     \
      : ::corewal::base_internal::Voidify() &       \
            ::corewal::base_internal::CheckFailure(__FILE__, __LINE__, text).stream()

#define CHECK(condition) COREWAL_CHECK_IMPL((condition), #condition)
#define CHECK_EQ(a, b) COREWAL_CHECK_IMPL((a) == (b), #a " == " #b)
#define CHECK_NE(a, b) COREWAL_CHECK_IMPL((a) != (b), #a " != " #b)
#define CHECK_LE(a, b) COREWAL_CHECK_IMPL((a) <= (b), #a " <= " #b)
#define CHECK_LT(a, b) COREWAL_CHECK_IMPL((a) < (b), #a " < " #b)
#define CHECK_GE(a, b) COREWAL_CHECK_IMPL((a) >= (b), #a " >= " #b)
#define CHECK_GT(a, b) COREWAL_CHECK_IMPL((a) > (b), #a " > " #b)
#define CHECK_OK(expression)                                                         \
  for (const auto& corewal_check_status = (expression); !corewal_check_status.ok();) \
  COREWAL_CHECK_IMPL(false, #expression " is OK") << corewal_check_status

#ifdef NDEBUG
#define DCHECK(condition) CHECK(true || (condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#endif  // COREWAL_BASE_CHECK_H_
