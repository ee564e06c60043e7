#include "wal/log_reader.h"

#include <filesystem>
#include <fstream>
#include <random>

#include "gtest/gtest.h"
#include "tests/wal/log_reader_fixture.h"

namespace corewal {
namespace {

// A log of several segments with batches of many sizes and records in pieces over some of them.
class MixedLog {
 public:
  explicit MixedLog(uint32_t seed) : random_(seed), log_(512 << 10) {
    for (int segment = 0; segment < 4; ++segment) {
      if (segment == 2) log_.Reopen();
      log_.StartSegment();
      while (room() > (100 << 10)) AddSomething();
    }
    log_.AddSeal();
  }
  const LogBuilder& log() const { return log_; }
  const std::vector<ReadRecord>& records() const { return records_; }

 private:
  uint64_t room() const {
    const Lsn base = log_.segment_header().base_lsn;
    const Lsn at = std::max(log_.end(), base + kBlockBytes);
    return log_.segment_header().segment_bytes - (at - base);
  }
  std::string Payload(size_t bytes) {
    std::string payload = "#" + std::to_string(records_.size()) + ":";
    while (payload.size() < bytes) payload.push_back(static_cast<char>(random_()));
    return payload;
  }
  void AddSomething() {
    if (random_() % 16 == 0) log_.AddSeal();
    if (random_() % 6 == 0) {
      AddPieces();
      return;
    }
    std::vector<TestPiece> pieces;
    std::vector<size_t> at;
    size_t bytes = kBatchHeaderBytes;
    for (uint32_t n = 1 + random_() % (random_() % 3 == 0 ? 400 : 8); n > 0; --n) {
      const size_t length = random_() % (random_() % 30 == 0 ? 9000 : 100);
      if (bytes + length > 60000) break;
      at.push_back(bytes);
      pieces.emplace_back(Payload(length));
      records_.push_back({Lsn(), pieces.back().payload});
      bytes += FramedBytes(pieces.back().payload.size());
    }
    const Lsn lsn = log_.AddBatch(pieces).lsn;
    for (size_t i = 0; i < at.size(); ++i) {
      records_[records_.size() - at.size() + i].lsn = lsn + at[i];
    }
  }
  void AddPieces() {
    const std::string text = Payload(3000 + random_() % 60000);
    const size_t cut1 = 1 + random_() % 1000, cut2 = cut1 + 1 + random_() % 1000;
    const BatchHeader first =
        log_.AddBatch({"before", TestPiece::First(text.size(), text.substr(0, cut1))});
    log_.AddBatch({TestPiece(text.substr(cut1, cut2 - cut1), Piece::kMiddle)});
    const BatchHeader last = log_.AddBatch({TestPiece(text.substr(cut2), Piece::kLast), "after"});
    const uint64_t begin = kBatchHeaderBytes;
    records_.push_back({first.lsn + begin, "before"});
    records_.push_back({first.lsn + begin + FramedBytes(6), text});
    records_.push_back({last.lsn + begin + FramedBytes(text.size() - cut2), "after"});
  }

  std::mt19937 random_;
  LogBuilder log_;
  std::vector<ReadRecord> records_;
};

struct Setting {
  const char* name;
  IoBackend backend;
  uint32_t buffer_bytes;
  uint32_t read_ahead;
  DirectMode direct;
};

class LogReaderBackendTest : public ::testing::TestWithParam<Setting> {};

TEST_P(LogReaderBackendTest, GivesEveryRecordOnceInOrder) {
  const Setting& setting = GetParam();
  LogFixture fixture(setting.backend, setting.buffer_bytes);
  if (!fixture.status().ok()) GTEST_SKIP() << fixture.status();
  for (uint32_t seed = 1; seed <= 4; ++seed) {
    const MixedLog mixed(seed);
    mixed.log().WriteTo(fixture.directory());
    LogReaderOptions options;
    options.read_ahead = setting.read_ahead;
    options.direct = setting.direct;
    const ReadLog read = fixture.Read(options);
    ASSERT_TRUE(read.open.ok()) << read.open;
    EXPECT_STREQ(read.end.row, "T1") << "seed " << seed << ": " << read.end.ToString();
    ASSERT_EQ(read.records.size(), mixed.records().size()) << "seed " << seed;
    uint64_t payload_bytes = 0;
    for (size_t i = 0; i < read.records.size(); ++i) {
      ASSERT_EQ(read.records[i], mixed.records()[i]) << "seed " << seed << ", record " << i;
      payload_bytes += read.records[i].payload.size();
    }
    EXPECT_EQ(read.totals.records, read.records.size());
    EXPECT_EQ(read.totals.payload_bytes, payload_bytes);
    EXPECT_EQ(read.totals.segments, 4u);
    EXPECT_EQ(read.totals.first_lsn, read.records.front().lsn);
    EXPECT_EQ(read.totals.last_lsn, read.records.back().lsn);
    EXPECT_TRUE(fixture.BuffersAreHome());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, LogReaderBackendTest,
    ::testing::Values(Setting{"posix_block", IoBackend::kPosix, 4096, 4, DirectMode::kOff},
                      Setting{"posix_one", IoBackend::kPosix, 8192, 1, DirectMode::kOff},
                      Setting{"posix_large", IoBackend::kPosix, 1 << 20, 4, DirectMode::kAuto},
                      Setting{"uring_small", IoBackend::kUring, 12288, 3, DirectMode::kOff},
                      Setting{"uring_large", IoBackend::kUring, 256 << 10, 8, DirectMode::kAuto}),
    [](const auto& info) { return info.param.name; });

TEST_F(LogReaderTest, FromAndToSelectByLsn) {
  const MixedLog mixed(7);
  mixed.log().WriteTo(fixture_.directory());
  const std::vector<ReadRecord>& all = mixed.records();
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    // On a record's own LSN, just behind it, or anywhere.
    const auto pick = [&] {
      const Lsn lsn = all[random() % all.size()].lsn;
      return random() % 3 == 0 ? Lsn(random() % mixed.log().end().value()) : lsn + random() % 2;
    };
    LogReaderOptions options;
    options.from = pick();
    options.to = random() % 4 == 0 ? Lsn(UINT64_MAX) : pick();
    const ReadLog read = fixture_.Read(options);
    ASSERT_TRUE(read.open.ok()) << read.open;
    std::vector<ReadRecord> expected;
    const bool limit = options.to <= mixed.log().end();
    for (const ReadRecord& record : all) {
      if (record.lsn >= options.from && record.lsn < options.to) expected.push_back(record);
    }
    ASSERT_EQ(read.records, expected) << options.from << " .. " << options.to;
    EXPECT_EQ(read.end.end, limit ? LogEnd::kLimit : LogEnd::kSealed) << read.end.ToString();
    EXPECT_TRUE(read.end.ToStatus().ok());
  }
}

// How the log ends is found out by a search through what is left of its segment.
TEST_F(LogReaderTest, NothingBehindToIsSearched) {
  log_ = LogBuilder(4 << 20);
  log_.StartSegment();
  Fill("a");
  log_.WriteTo(fixture_.directory());
  LogReaderOptions options;
  options.to = log_.end();
  const uint64_t before = fixture_.io().stats().bytes_read;
  const ReadLog read = fixture_.Read(options);
  EXPECT_EQ(read.records.size(), 3u);
  EXPECT_EQ(read.end.end, LogEnd::kLimit) << read.end.ToString();
  EXPECT_EQ(read.end.lsn, log_.end());
  EXPECT_LT(fixture_.io().stats().bytes_read - before, 512u << 10);
}

TEST_F(LogReaderTest, FromSkipsTheSegmentsBefore) {
  for (int i = 0; i < 20; ++i) {
    log_.StartSegment();
    Fill("s" + std::to_string(i) + ".");
  }
  log_.AddSeal();
  log_.WriteTo(fixture_.directory());
  LogReaderOptions options;
  options.from = log_.base(18);
  const uint64_t before = fixture_.io().stats().bytes_read;
  const ReadLog read = fixture_.Read(options);
  EXPECT_EQ(read.records.size(), 9u);
  EXPECT_EQ(read.records[0].payload, "s17.0");
  EXPECT_LE(fixture_.io().stats().bytes_read - before, 20 * 4096u + 5 * (64u << 10));
}

TEST_F(LogReaderTest, FromInsideADeadSegmentGivesNothingOfIt) {
  log_.StartSegment();
  Fill("a");
  log_.HoldDurable(log_.end());
  const BatchHeader lost = log_.AddBatch({"lost"});
  log_.StartSegment();
  Fill("dead");
  log_.image(1).replace(lost.lsn.value(), 4096, 4096, '\0');
  log_.WriteTo(fixture_.directory());
  LogReaderOptions options;
  options.from = log_.base(2);
  const ReadLog read = fixture_.Read(options);
  EXPECT_TRUE(read.records.empty());
  EXPECT_STREQ(read.end.row, "T4");
}

TEST_F(LogReaderTest, RecordLargerThanASegmentIsPutTogether) {
  std::string whole(200'000, '\0');
  std::mt19937 random(1);
  for (char& c : whole) c = static_cast<char>(random());
  const RecordType type{42};
  size_t at = 0;
  log_.StartSegment();
  log_.AddBatch({"before"});
  log_.AddBatch({TestPiece(std::string(8, '\0') + whole.substr(0, 40'000), Piece::kFirst, type)});
  Put64(&log_.image(1)[2 * 4096 + 68], whole.size());
  FixBatchCrcs(&log_.image(1)[2 * 4096]);
  log_.RewindTo(log_.end(), Get32(&log_.image(1)[2 * 4096 + 4]));
  for (at = 40'000; at < whole.size(); at += 40'000) {
    log_.StartSegment();
    const Piece piece = at + 40'000 < whole.size() ? Piece::kMiddle : Piece::kLast;
    log_.AddBatch({TestPiece(whole.substr(at, 40'000), piece, type)});
  }
  log_.AddSeal();
  log_.WriteTo(fixture_.directory());
  absl::StatusOr<std::unique_ptr<LogReader>> reader =
      LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok()) << reader.status();
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  EXPECT_EQ(Text(record.payload), "before");
  ASSERT_TRUE((*reader)->Next(&record)) << (*reader)->end().ToString();
  EXPECT_EQ(record.lsn, Lsn(2 * 4096 + 64));
  EXPECT_EQ(record.type, type);
  EXPECT_TRUE(Text(record.payload) == whole);
  EXPECT_FALSE((*reader)->Next(&record));
  EXPECT_STREQ((*reader)->end().row, "T1");
}

TEST_F(LogReaderTest, ShowsTheHeadersUnderEachRecordAndTheSealAtTheEnd) {
  log_.StartSegment();
  const BatchHeader one = log_.AddBatch({"a", "b"});
  log_.StartSegment();
  const BatchHeader two = log_.AddBatch({"c"});
  const BatchHeader seal = log_.AddSeal();
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  for (const BatchHeader& expected : {one, one, two}) {
    ASSERT_TRUE((*reader)->Next(&record));
    EXPECT_EQ((*reader)->batch_header(), expected);
  }
  EXPECT_EQ((*reader)->segment_header(), log_.segment_header());
  EXPECT_EQ((*reader)->segment_path(), fixture_.PathOf(2));
  EXPECT_FALSE((*reader)->Next(&record));
  EXPECT_EQ((*reader)->batch_header(), seal);
}

TEST_F(LogReaderTest, StoppingEarlyGivesAllBuffersBack) {
  const MixedLog mixed(3);
  mixed.log().WriteTo(fixture_.directory());
  for (int stop = 0; stop < 40; ++stop) {
    auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
    ASSERT_TRUE(reader.ok());
    RecordView record;
    for (int i = 0; i < stop; ++i) ASSERT_TRUE((*reader)->Next(&record));
    reader->reset();
    ASSERT_EQ(fixture_.io().in_flight(), 0u);
    ASSERT_TRUE(fixture_.BuffersAreHome());
  }
}

TEST_F(LogReaderTest, NoBufferFreeIsAnErrorNotACrash) {
  log_.StartSegment();
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  std::vector<BufferLease> taken;
  for (auto lease = fixture_.io().AcquireBuffer(); lease.ok();
       lease = fixture_.io().AcquireBuffer()) {
    taken.push_back(*std::move(lease));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(fixture_.Read().open));
}

TEST_F(LogReaderTest, SealInTheMiddleOfAnOpeningIsPassedOver) {
  log_.StartSegment();
  Fill("a");
  log_.AddPassingSeal();
  log_.StartSegment();
  Fill("b");
  log_.AddSeal();
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read();
  EXPECT_EQ(read.records, ExpectedRecords(log_));
  EXPECT_STREQ(read.end.row, "T1");
  EXPECT_EQ(read.totals.seals, 1u);
}

}  // namespace
}  // namespace corewal
