#include "base/slot_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

namespace corewal {
namespace {

TEST(SlotTableTest, GivesOutEverySlotOnceThenNone) {
  SlotTable<int> table(3);
  std::set<uint32_t> indices;
  for (int i = 0; i < 3; ++i) indices.insert(table.Allocate()->index);
  EXPECT_EQ(indices, (std::set<uint32_t>{0, 1, 2}));
  EXPECT_FALSE(table.Allocate().has_value());
  EXPECT_EQ(table.live(), 3u);
}

TEST(SlotTableTest, StaleIdFindsNothingAfterItsSlotWasReused) {
  SlotTable<int> table(1);
  const SlotId first = *table.Allocate();
  *table.Find(first) = 7;
  table.Free(first);
  EXPECT_EQ(table.Find(first), nullptr);
  const SlotId second = *table.Allocate();
  EXPECT_EQ(second.index, first.index);
  EXPECT_EQ(table.Find(first), nullptr);
  ASSERT_NE(table.Find(second), nullptr);
  EXPECT_EQ(*table.Find(second), 0) << "a reused slot starts from a default value";
}

TEST(SlotTableTest, UnknownIdsFindNothing) {
  SlotTable<int> table(2);
  EXPECT_EQ(table.Find(SlotId{}), nullptr);
  EXPECT_EQ(table.Find(SlotId{0, 1}), nullptr) << "free";
  EXPECT_EQ(table.Find(SlotId{2, 1}), nullptr) << "out of range";
  table.Allocate();
  EXPECT_EQ(table.Find(SlotId{0, 0}), nullptr) << "no live slot has generation 0";
}

TEST(SlotTableTest, FreeReleasesWhatTheValueOwns) {
  SlotTable<std::shared_ptr<int>> table(1);
  const auto owned = std::make_shared<int>(1);
  const SlotId id = *table.Allocate();
  *table.Find(id) = owned;
  EXPECT_EQ(owned.use_count(), 2);
  table.Free(id);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(SlotTableTest, IdsAreNeverGivenOutTwice) {
  SlotTable<int> table(4);
  std::set<std::pair<uint32_t, uint32_t>> seen;
  std::vector<SlotId> live;
  for (int i = 0; i < 1000; ++i) {
    if (live.size() == 4) {
      table.Free(live[i % 4]);
      live.erase(live.begin() + i % 4);
    }
    live.push_back(*table.Allocate());
    EXPECT_TRUE(seen.insert({live.back().index, live.back().generation}).second);
  }
}

TEST(SlotTableDeathTest, FreeingTwiceIsABug) {
  SlotTable<int> table(1);
  const SlotId id = *table.Allocate();
  table.Free(id);
  EXPECT_DEATH(table.Free(id), "check failed");
}

}  // namespace
}  // namespace corewal
