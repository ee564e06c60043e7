// What a log holds, or claims to hold, is not what writing and reading it takes: writer, recovery,
// reader and follower under a cap on the memory of the process.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "tests/io_backend/storage_io_fixture.h"
#include "tests/regression/writer_fixture.h"
#include "tests/wal/log_builder.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // takes memory of its own: no cap can be set
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr uint64_t kMebi = 1 << 20;
constexpr uint64_t kExtraBytes = 16 * kMebi;
constexpr uint64_t kLargeBytes = kSanitized ? 24 * kMebi : kRecordBytesMax;
constexpr uint64_t kPartBytes = kMebi;  // of the large record, when it is written
constexpr uint64_t kSmallBytes = 64 << 10;
constexpr uint64_t kSmallCount = (kSanitized ? 8 : 96) * kMebi / kSmallBytes;

// From now on this process gets no more than `extra_bytes` beyond what it has.
void CapMemory(uint64_t extra_bytes) {
  if (kSanitized) return;
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  ASSERT_GT(pages, 0u);
  const uint64_t bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + extra_bytes;
  const rlimit limit = {bytes, bytes};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

// Byte `at` of record `number`: tells records and places apart.
char ByteOf(uint64_t number, uint64_t at) {
  return static_cast<char>((at / 8 + number * 131) * 0x9e3779b97f4a7c15u >> 56);
}
std::string MakePart(uint64_t number, uint64_t offset, uint64_t bytes) {
  std::string text(bytes, '\0');
  for (uint64_t at = offset; at < offset + bytes;) {
    const uint64_t next = std::min(offset + bytes, at / 8 * 8 + 8);
    std::fill(text.begin() + static_cast<ptrdiff_t>(at - offset),
              text.begin() + static_cast<ptrdiff_t>(next - offset), ByteOf(number, at));
    at = next;
  }
  return text;
}
bool IsPartOf(uint64_t number, const RecordView& part) {
  const std::string expected = MakePart(number, part.part_offset, part.payload.size());
  return std::memcmp(part.payload.data(), expected.data(), expected.size()) == 0;
}

class BoundedMemoryTest : public WriterFixture {
 protected:
  BoundedMemoryTest() { io_options_.buffer_bytes = 256 << 10; }

  // kSmallCount records, then one of kLargeBytes in parts: in a child, whose memory is capped.
  void WriteLargeLog() {
    options_.segment_bytes = 16 * kMebi;
    RunInChild([this] {
      CapMemory(kExtraBytes);
      Open();
      for (uint64_t i = 0; i < kSmallCount; ++i) {
        Append(MakePart(i, 0, kSmallBytes), Durability::kAppended);
      }
      while (absl::IsResourceExhausted(writer_->BeginRecord(kLargeBytes))) Turn();
      for (uint64_t given = 0; given < kLargeBytes;) {
        const uint64_t bytes = std::min(kPartBytes, kLargeBytes - given);
        const std::string part = MakePart(kSmallCount, given, bytes);
        const absl::StatusOr<uint64_t> taken = writer_->AppendPart(Bytes(part));
        if (absl::IsResourceExhausted(taken.status())) {
          Turn();
          continue;
        }
        ASSERT_OK(taken.status());
        given += *taken;
      }
      ASSERT_OK(writer_->EndRecord().status());
      ASSERT_OK(writer_->WaitDurable());
      Close();
    });
  }
  void Turn() { ASSERT_OK(writer_->Wait(clock_->Now() + 1'000'000'000)); }

  // Counts and checks what a reader or follower hands out in parts.
  class Checker {
   public:
    void Take(const RecordView& part) {
      EXPECT_EQ(part.part_offset, expected_offset_);
      EXPECT_EQ(part.whole_bytes, number_ < kSmallCount ? kSmallBytes : kLargeBytes);
      ASSERT_TRUE(IsPartOf(number_, part)) << number_ << " at " << part.part_offset;
      expected_offset_ = part.last_part() ? 0 : part.part_offset + part.payload.size();
      if (part.last_part()) ++number_;
    }
    uint64_t whole_records() const { return number_; }

   private:
    uint64_t number_ = 0;
    uint64_t expected_offset_ = 0;
  };
};

TEST_F(BoundedMemoryTest, LargestRecordIsWrittenRecoveredAndReadInPiecesWithinSixteenMebibytes) {
  WriteLargeLog();
  RunInChild([this] {
    CapMemory(kExtraBytes);
    const absl::StatusOr<RecoveredLog> recovered = Recover();
    ASSERT_OK(recovered.status());
    EXPECT_EQ(recovered->end.end, LogEnd::kSealed);
    const auto io = NewIo();
    RecordView record;
    {
      auto reader = LogReader::Open(FileSystem::Host(), *io, directory_.path(), {.pieces = true});
      ASSERT_OK(reader.status());
      Checker checker;
      while ((*reader)->Next(&record)) checker.Take(record);
      EXPECT_OK((*reader)->end().ToStatus());
      EXPECT_EQ(checker.whole_records(), kSmallCount + 1);
    }
    auto follower = LogFollower::Open(FileSystem::Host(), *io, directory_.path(), {.pieces = true});
    ASSERT_OK(follower.status());
    Checker checker;
    while ((*follower)->Next(&record) == FollowEvent::kRecord) checker.Take(record);
    EXPECT_OK((*follower)->status());
    EXPECT_EQ(checker.whole_records(), kSmallCount + 1);
  });
}

// What the cap is worth: the same record as a whole does not fit below it.
TEST_F(BoundedMemoryTest, CapIsRealSoThatAWholeRecordDoesNotFit) {
  if (kSanitized) return;  // no cap there
  RunInChild([] {
    CapMemory(kExtraBytes);
    EXPECT_EQ(malloc(kLargeBytes), nullptr);
    void* const small = malloc(kExtraBytes / 2);
    EXPECT_NE(small, nullptr);
    free(small);
  });
}

// Everything that takes a length or a count from the disk, at its largest, in files of some blocks.
TEST_F(BoundedMemoryTest, HostileClaimsTakeNoMoreThanAnHonestLog) {
  constexpr uint64_t kBatchAt = kBlockBytes;
  constexpr uint64_t kLengthBytes = 40, kRecordsBytes = 44, kRecordCount = 48;
  for (const uint64_t field : {uint64_t{0}, kLengthBytes, kRecordsBytes, kRecordCount}) {
    for (const uint32_t value : {uint32_t{4} << 20, (uint32_t{4} << 20) - 64, UINT32_MAX}) {
      SCOPED_TRACE(testing::Message() << "field at " << field << ", value " << value);
      LogBuilder log;
      log.StartSegment();
      log.AddBatch({TestPiece::First(kRecordBytesMax, "x")});
      char* const header = log.image(1).data();
      Put64(header + 56, kSegmentBytesMax);
      FixSegmentHeaderCrc(header);
      if (field != 0) {
        Put32(header + kBatchAt + field, value);
        FixBatchHeaderCrc(header + kBatchAt);
      }
      log.Trim();
      log.WriteTo(directory_.path());
      RunInChild([this] {
        CapMemory(kExtraBytes);
        const auto io = NewIo();
        for (const RecoveryMode mode :
             {RecoveryMode::kStrict, RecoveryMode::kStopAtDamage, RecoveryMode::kSkipDamaged}) {
          RecoverLog(FileSystem::Host(), *io, directory_.path(), {}, mode).status().IgnoreError();
        }
        RecordView record;
        for (const bool skip : {false, true}) {
          auto reader =
              LogReader::Open(FileSystem::Host(), *io, directory_.path(), {.skip_damaged = skip});
          ASSERT_OK(reader.status());
          EXPECT_FALSE((*reader)->Next(&record));
        }
        auto follower = LogFollower::Open(FileSystem::Host(), *io, directory_.path(),
                                          {.durable = {.unwitnessed = true}});
        ASSERT_OK(follower.status());
        EXPECT_NE((*follower)->Next(&record), FollowEvent::kRecord);
      });
    }
  }
}

}  // namespace
}  // namespace corewal
