#include "tests/sim/log_oracle.h"

#include <algorithm>
#include <iterator>
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
  const Lsn first = recovered.empty() ? may_be_gone_before() : recovered.front().lsn;
  return std::lower_bound(history_.begin(), history_.end(), first,
                          [](const Record& record, Lsn lsn) { return record.lsn < lsn; });
}

LogOracle::Verdict LogOracle::Compare(const std::vector<Record>& recovered, Place* expected) const {
  for (auto it = history_.begin(); it != *expected; ++it) {
    if (it->lsn >= may_be_gone_before() && it->lsn < acknowledged()) {
      return Lost(absl::StrCat("the record at lsn ", it->lsn.value(),
                               " is missing before the first; truncated before ",
                               may_be_gone_before().value()));
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

LogOracle::Verdict LogOracle::JudgeAround(const std::vector<Record>& recovered,
                                          const std::vector<LostRange>& lost) const {
  auto found = recovered.begin();
  // Where the header behind a torn tail is damaged, nobody knows any more where the log had ended.
  const auto pass_dropped = [&] {
    for (; found != recovered.end(); ++found) {
      const auto dropped = dropped_.find(found->lsn);
      if (dropped == dropped_.end() || dropped->second.payload != found->payload) return;
    }
  };
  for (auto it = history_.begin(); it != history_.end(); ++it) {
    pass_dropped();
    if (found != recovered.end() && found->lsn == it->lsn) {
      if (found->payload != it->payload || found->type != it->type) {
        return Wrong(absl::StrCat("the record at lsn ", it->lsn.value(),
                                  ", read around damage, has changed"));
      }
      ++found;
      continue;
    }
    if (it->lsn < may_be_gone_before() || it->lsn >= acknowledged()) continue;
    const Lsn end = std::next(it) == history_.end() ? Lsn(UINT64_MAX) : std::next(it)->lsn;
    const bool told = std::any_of(lost.begin(), lost.end(), [&](const LostRange& range) {
      return it->lsn < range.end && end > range.begin;
    });
    if (!told) {
      return Wrong(absl::StrCat("the record at lsn ", it->lsn.value(),
                                " is missing, and not reported as skipped"));
    }
  }
  pass_dropped();
  if (found == recovered.end()) return {};
  return Wrong(absl::StrCat("a record at lsn ", found->lsn.value(), " behind damage"));
}

void LogOracle::CutTo(std::vector<Record> left) {
  history_ = std::move(left);
  const Lsn end = history_.empty() ? Lsn() : history_.back().lsn + 1;
  durable_ = std::min(durable_, end);
  written_ = std::min(written_, end);
  truncated_ = std::min(truncated_, end);
}

LogOracle::Verdict LogOracle::Recovered(const std::vector<Record>& recovered) {
  Place expected = FirstOf(recovered);
  Verdict verdict = Compare(recovered, &expected);
  if (!verdict.good()) return verdict;
  for (auto it = expected; it != history_.end(); ++it) dropped_.insert_or_assign(it->lsn, *it);
  history_.erase(expected, history_.end());
  return verdict;
}

}  // namespace corewal
