#include "tools/ack_check.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/made_record.h"

namespace corewal {
namespace {

using testing::HasSubstr;

constexpr ShardId kShard{2};

// Record `seq` of the shard stands at lsn 100 * seq.
class AckCheckTest : public testing::Test {
 protected:
  bool Take(AckCheck* check, uint64_t seq, ShardId made_for = kShard) {
    payload_.resize(64);
    MakeRecord(made_for, seq, absl::MakeSpan(payload_));
    return check->Take({.lsn = Lsn(100 * ++place_),
                        .type = RecordType::kUser,
                        .epoch = Epoch(0),
                        .payload = absl::MakeConstSpan(payload_)});
  }

  std::vector<AckTable::Ack> acks_ = {{2, Lsn(200)}, {4, Lsn(400)}};
  std::vector<std::byte> payload_;
  uint64_t place_ = 0;
};

TEST_F(AckCheckTest, EverythingAcknowledgedAndMoreMayBeThere) {
  AckCheck check(kShard, acks_);
  for (uint64_t seq = 1; seq <= 6; ++seq) EXPECT_TRUE(Take(&check, seq)) << seq;
  check.Finish("the end");
  EXPECT_EQ(check.violation(), "");
  EXPECT_EQ(check.acknowledged(), 4u);
  EXPECT_EQ(check.found(), 6u);
}

TEST_F(AckCheckTest, AMissingAcknowledgedTailIsNamed) {
  AckCheck check(kShard, acks_);
  for (uint64_t seq = 1; seq <= 3; ++seq) EXPECT_TRUE(Take(&check, seq)) << seq;
  check.Finish("torn tail at lsn 400");
  EXPECT_THAT(check.violation(), HasSubstr("seq=4 lsn=400"));
  EXPECT_THAT(check.violation(), HasSubstr("only 3 records"));
  EXPECT_THAT(check.violation(), HasSubstr("torn tail at lsn 400"));
}

TEST_F(AckCheckTest, AnAcknowledgedShardWithoutARecordIsNamed) {
  AckCheck check(kShard, acks_);
  check.Finish("empty");
  EXPECT_THAT(check.violation(), HasSubstr("only 0 records"));
}

TEST_F(AckCheckTest, AMissingRecordInTheMiddleIsAnotherRecordInItsPlace) {
  AckCheck check(kShard, acks_);
  EXPECT_TRUE(Take(&check, 1));
  EXPECT_FALSE(Take(&check, 3));
  EXPECT_THAT(check.violation(), HasSubstr("record seq=2 at lsn=200"));
  EXPECT_THAT(check.violation(), HasSubstr("it is record seq=3"));
}

TEST_F(AckCheckTest, ADuplicateIsSaidToBeOne) {
  AckCheck check(kShard, acks_);
  EXPECT_TRUE(Take(&check, 1));
  EXPECT_TRUE(Take(&check, 2));
  EXPECT_FALSE(Take(&check, 2));
  EXPECT_THAT(check.violation(), HasSubstr("it is record seq=2, which came before"));
}

TEST_F(AckCheckTest, AnotherShardsRecordIsNamed) {
  AckCheck check(kShard, acks_);
  EXPECT_FALSE(Take(&check, 1, ShardId{0}));
  EXPECT_THAT(check.violation(), HasSubstr("it is record seq=1 of shard 0"));
}

TEST_F(AckCheckTest, AnInventedRecordBehindTheAcknowledgedOnesIsAViolation) {
  AckCheck check(kShard, acks_);
  for (uint64_t seq = 1; seq <= 4; ++seq) EXPECT_TRUE(Take(&check, seq));
  const std::string invented(64, 'x');
  EXPECT_FALSE(check.Take(
      {.lsn = Lsn(500),
       .type = RecordType::kUser,
       .epoch = Epoch(0),
       .payload = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(invented.data()), 64)}));
  EXPECT_THAT(check.violation(), HasSubstr("record seq=5 at lsn=500"));
}

TEST_F(AckCheckTest, AnAcknowledgedLsnMustBeThatOfItsRecord) {
  acks_ = {{1, Lsn(100)}, {2, Lsn(208)}};
  AckCheck check(kShard, acks_);
  EXPECT_TRUE(Take(&check, 1));
  EXPECT_FALSE(Take(&check, 2));
  EXPECT_THAT(check.violation(), HasSubstr("lsn=208 but stands at lsn=200"));
}

TEST_F(AckCheckTest, TwoAcksOfOneRecordMustAgree) {
  acks_ = {{1, Lsn(100)}, {1, Lsn(100)}, {1, Lsn(104)}};
  AckCheck check(kShard, acks_);
  EXPECT_FALSE(Take(&check, 1));
}

TEST_F(AckCheckTest, RecordsOfCorewalItselfAreNotCounted) {
  AckCheck check(kShard, acks_);
  EXPECT_TRUE(Take(&check, 1));
  EXPECT_TRUE(check.Take(
      {.lsn = Lsn(150), .type = RecordType::kEpochBarrier, .epoch = Epoch(1), .payload = {}}));
  EXPECT_TRUE(Take(&check, 2));
  EXPECT_EQ(check.found(), 2u);
}

}  // namespace
}  // namespace corewal
