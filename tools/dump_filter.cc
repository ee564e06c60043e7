#include "tools/dump_filter.h"

#include <cstring>

namespace corewal {

bool DumpFilter::WantsRecord(const RecordView& record) const {
  if (epoch.has_value() && record.epoch != *epoch) return false;
  return grep.empty() ||
         memmem(record.payload.data(), record.payload.size(), grep.data(), grep.size()) != nullptr;
}

}  // namespace corewal
