#include "tools/progress_line.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace corewal {
namespace {

constexpr MonotonicNs kIntervalNs = 200'000'000;
constexpr MonotonicNs kNoGuessBeforeNs = 500'000'000;

}  // namespace

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)),
      terminal_(isatty(STDERR_FILENO) == 1),
      begin_(Clock::System().Now()) {}

void ProgressLine::Update(double fraction, absl::string_view rate) {
  if (!terminal_) return;
  const MonotonicNs now = Clock::System().Now();
  if (now < shown_at_ + kIntervalNs) return;
  shown_at_ = now;
  std::string line = what_;
  if (fraction >= 0) absl::StrAppendFormat(&line, "  %.0f %%", fraction * 100);
  if (!rate.empty()) absl::StrAppend(&line, "  ", rate);
  if (fraction > 0 && fraction < 1 && now > begin_ + kNoGuessBeforeNs) {
    const double elapsed_s = static_cast<double>(now - begin_) / 1e9;
    absl::StrAppendFormat(&line, "  %.0f s left", std::ceil(elapsed_s * (1 - fraction) / fraction));
  }
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace corewal
