// A log of two segments with every byte flipped, cut at every place, overwritten with garbage and
// with blocks of its own: nothing is ever invented, and what was acknowledged is there or missed.
#include <random>

#include "gtest/gtest.h"
#include "tests/wal/recovery_fixture.h"

namespace corewal {
namespace {

// What a damaged or cut log may give: the records that were there, in order, from the first on;
// all those acknowledged, unless it says damaged.
void ExpectPrefix(const ReadLog& read, const std::vector<ReadRecord>& all, size_t acknowledged,
                  const std::string& what) {
  ASSERT_TRUE(read.open.ok()) << what << ": " << read.open;
  ASSERT_LE(read.records.size(), all.size()) << what;
  for (size_t i = 0; i < read.records.size(); ++i) ASSERT_EQ(read.records[i], all[i]) << what;
  ASSERT_NE(read.end.end, LogEnd::kFailed) << what << ": " << read.end.ToString();
  ASSERT_NE(read.end.end, LogEnd::kNotYet) << what;
  if (read.end.end != LogEnd::kDamaged) {
    ASSERT_GE(read.records.size(), acknowledged) << what << ": " << read.end.ToString();
  }
}

class SweepTest : public RecoveryTest {
 protected:
  // Two segments, several sizes of batches, pieces over the seam, sealed.
  SweepTest() {
    log_.StartSegment();
    log_.AddBatch({"one", "two", ""});
    log_.AddBatch({std::string(5000, 'm')});
    log_.StartSegment();
    log_.AddBatch({"three"});
    log_.AddBatch({"four", "five"});
    log_.AddSeal();
    log_.Trim();
    // Of the first segment's unused end, one block is enough.
    log_.image(1).resize(5 * 4096);
    all_ = ExpectedRecords(log_);
  }
  std::vector<ReadRecord> all_;
};

TEST_F(SweepTest, EveryFlippedByteOfASealedLogIsFoundOrHarmless) {
  for (const uint64_t sequence : {1, 2}) {
    const std::string good = log_.image(sequence);
    log_.WriteTo(fixture_.directory());
    const bool last = sequence == 2;
    const size_t seal_at = good.size() - 4096;
    const size_t unused_at = 4 * 4096;
    for (size_t i = 0; i < good.size(); ++i) {
      // The fields and framing byte by byte; padding and filling in strides.
      if (i % 4096 >= 200 && i % 61 != 0) continue;
      std::string image = good;
      image[i] ^= static_cast<char>(1 << (i % 8));
      log_.image(sequence) = image;
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
      const ReadLog read = fixture_.Read();
      const std::string what =
          "segment " + std::to_string(sequence) + ", byte " + std::to_string(i);
      ExpectPrefix(read, all_, all_.size(), what);
      const LogEnd expected = last && i >= seal_at      ? LogEnd::kTorn
                              : !last && i >= unused_at ? LogEnd::kSealed
                                                        : LogEnd::kDamaged;
      ASSERT_EQ(read.end.end, expected) << what << ": " << read.end.ToString();
    }
    log_.image(sequence) = good;
  }
}

TEST_F(SweepTest, CutAtEveryBlock) {
  for (const uint64_t sequence : {1, 2}) {
    const std::string good = log_.image(sequence);
    log_.WriteTo(fixture_.directory());
    for (size_t length = 0; length < good.size(); length += 512) {
      LogBuilder::WriteFile(fixture_.PathOf(sequence), good.substr(0, length));
      const ReadLog read = fixture_.Read();
      // Whoever cuts the last file takes the witness away too; of the first one nothing is missed.
      ExpectPrefix(read, all_, sequence == 1 ? all_.size() : 0,
                   "segment " + std::to_string(sequence) + " cut at " + std::to_string(length));
    }
    LogBuilder::WriteFile(fixture_.PathOf(sequence), good);
  }
}

TEST_F(SweepTest, GarbageAnywhereNeverInventsARecord) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    for (const uint64_t sequence : {1, 2}) {
      std::string image = log_.image(sequence);
      const size_t begin = random() % image.size();
      const size_t length = 1 + random() % (random() % 2 == 0 ? 64 : 8192);
      const bool zeros = random() % 3 == 0;
      for (size_t i = begin; i < std::min(image.size(), begin + length); ++i) {
        image[i] = zeros ? '\0' : static_cast<char>(random());
      }
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
    }
    const ReadLog read = fixture_.Read();
    ExpectPrefix(read, all_, 0, "seed " + std::to_string(seed));
    const auto recovered = fixture_.Recover(RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(recovered.ok()) << "seed " << seed << ": " << recovered.status();
  }
}

TEST_F(SweepTest, BlocksOfOtherPlacesNeverInventARecord) {
  const std::string blocks = log_.image(1) + log_.image(2);
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    for (const uint64_t sequence : {1, 2}) {
      std::string image = log_.image(sequence);
      for (uint32_t n = random() % 3; n > 0; --n) {
        image.replace(random() % (image.size() / 4096) * 4096, 4096, blocks,
                      random() % (blocks.size() / 4096) * 4096, 4096);
      }
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
    }
    ExpectPrefix(fixture_.Read(), all_, 0, "seed " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace corewal
