#include "tests/sim/log_oracle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace corewal {

std::string LogOracle::Appended(Lsn lsn, std::string payload) {
  if (!history_.empty() && lsn <= history_.back().lsn) {
    return absl::StrCat("appended at lsn ", lsn.value(), ", not behind ",
                        history_.back().lsn.value());
  }
  history_.push_back({lsn, std::move(payload)});
  return "";
}

std::string LogOracle::Recovered(const std::vector<Record>& recovered) {
  const Lsn must_have = std::max(durable_, written_);
  auto expected = history_.begin();
  if (recovered.empty()) {
    expected = std::find_if(history_.begin(), history_.end(),
                            [&](const Record& record) { return record.lsn >= truncated_; });
  } else {
    expected = std::find_if(history_.begin(), history_.end(), [&](const Record& record) {
      return record.lsn >= recovered.front().lsn;
    });
  }
  for (auto it = history_.begin(); it != expected; ++it) {
    if (it->lsn >= truncated_ && it->lsn < must_have) {
      return absl::StrCat("the record at lsn ", it->lsn.value(), " is missing before the first, ",
                          "truncated before ", truncated_.value());
    }
  }
  for (const Record& record : recovered) {
    if (expected == history_.end() || expected->lsn != record.lsn) {
      return absl::StrCat(
          "recovered a record at lsn ", record.lsn.value(), ", expected ",
          expected == history_.end() ? "none" : absl::StrCat(expected->lsn.value()));
    }
    if (expected->payload != record.payload) {
      return absl::StrCat("the record at lsn ", record.lsn.value(),
                          " has changed: ", record.payload.size(), " bytes instead of ",
                          expected->payload.size());
    }
    ++expected;
  }
  if (expected != history_.end() && expected->lsn < must_have) {
    return absl::StrCat("LOST: the record at lsn ", expected->lsn.value(),
                        " was acknowledged: durable to ", durable_.value(), ", written to ",
                        written_.value(), "; recovered ", recovered.size(), " records");
  }
  history_.erase(expected, history_.end());
  return "";
}

}  // namespace corewal
