// tools/progress_line.h: one line on the terminal that says how far a long work is.
//
//   stream  63 %  2.10 GB/s  3 s left
//
// On standard error, only if that is a terminal, a few times a second, wiped when it is done.
// Thread: one.
#ifndef COREWAL_TOOLS_PROGRESS_LINE_H_
#define COREWAL_TOOLS_PROGRESS_LINE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/clock.h"

namespace corewal {

class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  ~ProgressLine() { Clear(); }

  // `fraction` of the work is done (negative: unknown); `rate` is text.
  void Update(double fraction, absl::string_view rate);
  void Clear();

 private:
  const std::string what_;
  const bool terminal_;
  const MonotonicNs begin_;
  MonotonicNs shown_at_ = 0;
  bool shown_ = false;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_PROGRESS_LINE_H_
