// examples/file_copy/copy_table.h: what each way cost, side by side.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_TABLE_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_TABLE_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "examples/file_copy/copy_run.h"
#include "examples/file_copy/copy_way.h"

namespace corewal {

class CopyTable {
 public:
  // `data_bytes`: copied by each run.
  CopyTable(uint64_t data_bytes, const std::vector<const CopyWay*>& ways);

  void Add(const CopyWay& way, const CopyRun& run);
  void NotToBeHad(const CopyWay& way, std::string why);
  // Medians of each way's runs, and their cost against the first way's that has any.
  void Print(std::FILE* out) const;

 private:
  struct Row {
    const CopyWay* way;
    std::vector<double> seconds, user_s, system_s, other_s, calls, cached_bytes;
    std::string why_not;
  };
  Row& RowOf(const CopyWay& way);

  const double data_bytes_;
  std::vector<Row> rows_;
};

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_TABLE_H_
