#include "examples/common/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace examples {
namespace {

TEST(PartitionTest, ShortKeysOfOneKindSpreadEvenly) {
  for (const uint32_t partitions : {2u, 3u, 4u, 7u, 16u}) {
    for (const char* const kind : {"", "key", "user:", "a/long/path/that/all/of/them/share/"}) {
      std::vector<int> keys(partitions);
      for (uint32_t i = 0; i < 1000 * partitions; ++i) {
        ++keys[PartitionOf(kind + std::to_string(i), partitions)];
      }
      const auto [fewest, most] = std::minmax_element(keys.begin(), keys.end());
      EXPECT_GT(*fewest, 850) << kind << "0, 1, .. over " << partitions;
      EXPECT_LT(*most, 1150) << kind << "0, 1, .. over " << partitions;
    }
  }
}

// Who changes one of these loses the order between a key's records of before and after.
TEST(PartitionTest, KeysStayWhereTheyAre) {
  EXPECT_EQ(PartitionOf("", 1 << 20), 600358u);
  EXPECT_EQ(PartitionOf("a", 1 << 20), 970331u);
  EXPECT_EQ(PartitionOf("key1", 1 << 20), 948152u);
  EXPECT_EQ(PartitionOf("alice", 1 << 20), 788724u);
  EXPECT_EQ(PartitionOf("\xc3\xa4\xc3\xb6", 1 << 20), 608403u);  // bytes above 127, too
  EXPECT_EQ(PartitionOf("alice", 1), 0u);
}

}  // namespace
}  // namespace examples
