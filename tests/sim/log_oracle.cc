#include "tests/sim/log_oracle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace corewal {
namespace {

LogOracle::Verdict Lost(std::string text) {
  return {LogOracle::Verdict::Kind::kLost, "LOST: " + std::move(text)};
}
LogOracle::Verdict Wrong(std::string text) {
  return {LogOracle::Verdict::Kind::kWrong, "WRONG: " + std::move(text)};
}

}  // namespace

std::string LogOracle::Appended(Record record) {
  if (!history_.empty() && record.lsn <= history_.back().lsn) {
    return absl::StrCat("WRONG: appended at lsn ", record.lsn.value(), ", not behind ",
                        history_.back().lsn.value());
  }
  history_.push_back(std::move(record));
  return "";
}

LogOracle::Place LogOracle::FirstOf(const std::vector<Record>& recovered) const {
  const Lsn first = recovered.empty() ? truncated_ : recovered.front().lsn;
  return std::lower_bound(history_.begin(), history_.end(), first,
                          [](const Record& record, Lsn lsn) { return record.lsn < lsn; });
}

LogOracle::Verdict LogOracle::Compare(const std::vector<Record>& recovered, Place* expected) const {
  for (auto it = history_.begin(); it != *expected; ++it) {
    if (it->lsn >= truncated_ && it->lsn < acknowledged()) {
      return Lost(absl::StrCat("the record at lsn ", it->lsn.value(),
                               " is missing before the first; truncated before ",
                               truncated_.value()));
    }
  }
  for (const Record& record : recovered) {
    if (*expected == history_.end() || (*expected)->lsn != record.lsn) {
      const std::string wanted =
          *expected == history_.end() ? "none" : absl::StrCat((*expected)->lsn.value());
      return Wrong(absl::StrCat("a record at lsn ", record.lsn.value(), ", expected ", wanted));
    }
    if ((*expected)->payload != record.payload || (*expected)->type != record.type) {
      return Wrong(absl::StrCat("the record at lsn ", record.lsn.value(),
                                " has changed: ", record.payload.size(), " bytes of type ",
                                record.type, " instead of ", (*expected)->payload.size(),
                                " of type ", (*expected)->type));
    }
    ++*expected;
  }
  if (*expected != history_.end() && (*expected)->lsn < acknowledged()) {
    return Lost(absl::StrCat("the record at lsn ", (*expected)->lsn.value(),
                             " was acknowledged: durable to ", durable_.value(), ", written to ",
                             written_.value(), "; recovered ", recovered.size(), " records"));
  }
  return {};
}

LogOracle::Verdict LogOracle::Judge(const std::vector<Record>& recovered) const {
  Place expected = FirstOf(recovered);
  return Compare(recovered, &expected);
}

LogOracle::Verdict LogOracle::Recovered(const std::vector<Record>& recovered) {
  Place expected = FirstOf(recovered);
  Verdict verdict = Compare(recovered, &expected);
  if (verdict.good()) history_.erase(expected, history_.end());
  return verdict;
}

}  // namespace corewal
