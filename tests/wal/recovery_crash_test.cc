// Recovery against a model of a writer and a disk that loses power.
//
// The model appends batches, completes their writes in any order, syncs, rolls over segments,
// seals, truncates, recycles files, closes and reopens. A crash keeps any subset of the unsynced
// 512-byte sectors. Whatever is left, recovery must not call it damaged, must give every
// acknowledged record, in order, and nothing else; and what it once left out must never come back.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/wal/log_fixture.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr uint64_t kSegmentBytes = 64 << 10;
constexpr size_t kSectorBytes = 512;

struct Record {
  Lsn lsn;
  Lsn end;  // of its last batch: durable beyond this means acknowledged
  std::string payload;
};

class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {}

  const std::string& actions() const { return actions_; }
  // Some appending, completing, syncing; then a crash or a clean close; then recovery.
  void Round() {
    for (uint32_t n = Below(40); n > 0; --n) Step();
    switch (Below(4)) {
      case 0:
        Close();
        break;
      case 1:
        KillProcess();
        break;
      default:
        LosePower();
    }
    Recover();
  }

 private:
  struct Write {
    uint64_t sequence;
    uint64_t offset;
    std::string bytes;
    Lsn end;
    bool completed = false;
  };

  uint32_t Below(uint32_t n) { return random_() % n; }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  void Log(const std::string& action) { actions_ += action + "\n"; }

  void Step() {
    const uint32_t dice = Below(100);
    if (dice < 45) {
      AppendBatch();
    } else if (dice < 70) {
      CompleteOne();
    } else if (dice < 88) {
      Sync();
    } else if (dice < 94) {
      Seal();
    } else if (dice < 97) {
      Truncate();
    } else {
      Prepare();
    }
  }

  std::string NextPayload(size_t bytes) {
    std::string payload = "record " + std::to_string(++records_made_) + " ";
    payload.resize(std::max(payload.size(), bytes), static_cast<char>('a' + records_made_ % 26));
    return payload;
  }

  void AppendBatch() {
    std::vector<TestPiece> pieces;
    std::vector<size_t> whole;  // indices of whole records
    size_t last_piece = SIZE_MAX;
    if (!rest_.empty()) {
      const bool last = Chance(60) || rest_.size() < 2;
      const std::string part = last ? rest_ : rest_.substr(0, rest_.size() / 2);
      rest_ = last ? "" : rest_.substr(part.size());
      pieces.emplace_back(part, last ? Piece::kLast : Piece::kMiddle);
      if (!last) return (void)PutBatch(pieces);
      last_piece = 0;
    }
    for (uint32_t n = 1 + Below(3); n > 0; --n) {
      whole.push_back(pieces.size());
      pieces.emplace_back(NextPayload(Below(3000)));
    }
    std::string broken;
    if (Chance(15)) {
      broken = NextPayload(2000 + Below(5000));
      const size_t cut = Below(1000);
      pieces.push_back(TestPiece::First(broken.size(), broken.substr(0, cut)));
      rest_ = broken.substr(cut);
    }
    const BatchHeader batch = PutBatch(pieces);
    uint64_t at = kBatchHeaderBytes;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const Lsn lsn = batch.lsn + at;
      if (i == last_piece) {
        broken_.end = end_;
        records_.push_back(broken_);
      } else if (std::find(whole.begin(), whole.end(), i) != whole.end()) {
        records_.push_back({lsn, end_, pieces[i].payload});
      } else {
        broken_ = {lsn, Lsn(), broken};
      }
      at += FramedBytes(pieces[i].payload.size());
    }
  }

  BatchHeader PutBatch(const std::vector<TestPiece>& pieces) {
    if (std::exchange(sealed_, false)) {
      for (Write& write : writes_) write.completed = true;  // the seal, before it is overwritten
    }
    BatchHeader header;
    header.durable = durable_;
    header.incarnation = incarnation_;
    header.previous_crc = crc_;
    std::string bytes;
    const uint64_t most = 24 << 10;  // of a batch and the seal behind it
    if (!in_segment_ || next_ - segment_.base_lsn + most > kSegmentBytes) bytes = StartSegment();
    header.lsn = next_;
    const std::string batch = MakeBatch(header, pieces);
    writes_.push_back({segment_.sequence, next_ - segment_.base_lsn - bytes.size(), bytes + batch,
                       next_ + batch.size()});
    std::string& file = files_[segment_.sequence];
    file.resize(std::max<size_t>(file.size(), kSegmentBytes), '\0');
    crc_ = Get32(&batch[4]);
    end_ = next_ = next_ + batch.size();
    Log("write batch at " + std::to_string(header.lsn.value()) + " durable " +
        std::to_string(header.durable.value()));
    return header;
  }

  std::string StartSegment() {
    SegmentHeader header;
    header.uuid = TestUuid();
    header.sequence = tail_sequence_ + 1;
    header.base_lsn = Lsn(tail_sequence_ * kSegmentBytes);
    header.segment_bytes = kSegmentBytes;
    header.incarnation = incarnation_;
    header.previous_sequence = tail_sequence_;
    header.previous_end = end_;
    header.previous_crc = crc_;
    header.durable = durable_;
    segment_ = header;
    in_segment_ = true;
    tail_sequence_ = header.sequence;
    next_ = header.base_lsn + kBlockBytes;
    Log("start segment " + std::to_string(header.sequence));
    return MakeSegmentHeader(header);
  }

  void CompleteOne() {
    if (writes_.empty()) return;
    writes_[Below(static_cast<uint32_t>(writes_.size()))].completed = true;
  }

  // Promises the contiguous prefix; other completed writes reach the disk too, or not.
  void Sync() {
    size_t prefix = 0;
    while (prefix < writes_.size() && writes_[prefix].completed) ++prefix;
    for (size_t i = 0; i < prefix; ++i) {
      Apply(writes_[i]);
      durable_ = writes_[i].end;
    }
    writes_.erase(writes_.begin(), writes_.begin() + static_cast<long>(prefix));
    Log("durable " + std::to_string(durable_.value()));
  }

  void Seal() {
    if (!writes_.empty() || !rest_.empty() || !in_segment_ || durable_ != end_) return;
    BatchHeader header;
    header.lsn = header.durable = end_;
    header.incarnation = incarnation_;
    header.previous_crc = crc_;
    header.flags = kBatchFlagSeal;
    // The next batch goes to the same place.
    writes_.push_back({segment_.sequence, end_ - segment_.base_lsn, MakeBatch(header, {}), end_});
    sealed_ = true;
    Log("seal at " + std::to_string(end_.value()));
  }

  // Segments below a durable LSN go, the oldest first; their files are removed or recycled.
  void Truncate() {
    while (!files_.empty() && Chance(70)) {
      const uint64_t oldest = files_.begin()->first;
      if (oldest >= tail_sequence_ || Lsn(oldest * kSegmentBytes) + 2 * kBlockBytes > durable_)
        return;
      const std::string content = files_.begin()->second;
      files_.erase(files_.begin());
      Log("truncate segment " + std::to_string(oldest));
      if (Chance(70) && content.size() == kSegmentBytes) {
        files_[HighestFile() + 1] = content;
        Log("recycle it as " + std::to_string(HighestFile()));
      }
      while (!records_.empty() && records_[0].lsn < Lsn(oldest * kSegmentBytes)) {
        records_.erase(records_.begin());
      }
    }
  }

  void Prepare() { files_[HighestFile() + 1].assign(kSegmentBytes, '\0'); }
  uint64_t HighestFile() const {
    return std::max(tail_sequence_, files_.empty() ? 0 : files_.rbegin()->first);
  }

  void Apply(const Write& write) {
    files_[write.sequence].replace(write.offset, write.bytes.size(), write.bytes);
  }

  void Close() {
    for (Write& write : writes_) write.completed = true;
    Sync();
    Seal();
    for (Write& write : writes_) write.completed = true;
    // The seal is not synced. The file is cut behind it, or, if power goes, may not be.
    if (sealed_ && Chance(50)) {
      files_[segment_.sequence].resize(end_ - segment_.base_lsn + kBlockBytes, '\0');
    }
    for (auto it = files_.upper_bound(tail_sequence_); it != files_.end();) it = files_.erase(it);
    Log("close");
    Chance(50) ? KillProcess() : LosePower();
  }

  // The page cache survives: what was completed is there, what was in flight may be.
  void KillProcess() {
    for (const Write& write : writes_) {
      if (write.completed || Chance(50)) Apply(write);
    }
    Log("kill");
  }

  void LosePower() {
    const uint32_t kept_percent = Chance(50) ? Below(101) : 100 * Below(2);
    for (const Write& write : writes_) {
      std::string& file = files_[write.sequence];
      const bool tear = Chance(50);
      const bool all = Chance(kept_percent);
      for (size_t at = 0; at < write.bytes.size(); at += kSectorBytes) {
        if (!(tear ? Chance(kept_percent) : all)) continue;
        file.replace(write.offset + at, kSectorBytes, write.bytes, at, kSectorBytes);
      }
    }
    Log("lose power, keep " + std::to_string(kept_percent) + "%");
  }

  void WriteFiles() {
    for (const auto& entry : std::filesystem::directory_iterator(fixture_.directory())) {
      std::filesystem::remove(entry.path());
    }
    for (const auto& [sequence, content] : files_) {
      LogBuilder::WriteFile(fixture_.PathOf(sequence), content);
    }
  }

  void Recover() {
    WriteFiles();
    const auto recovered = fixture_.Recover(RecoveryMode::kStrict, TestUuid());
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    const ReadLog read = fixture_.Read();
    ASSERT_TRUE(read.open.ok()) << read.open;
    ASSERT_TRUE(read.end.ToStatus().ok()) << read.end.ToString();
    EXPECT_EQ(read.end.lsn, recovered->end.lsn);
    EXPECT_EQ(read.end.last_crc, recovered->end.last_crc);
    CheckRecords(read);
    if (testing::Test::HasFailure()) return;

    records_.resize(read.records.size());  // what was not found must never come back
    writes_.clear();
    rest_.clear();
    in_segment_ = sealed_ = false;
    incarnation_ = TestIncarnation(recovered->last_incarnation.count() + 1, random_());
    tail_sequence_ = recovered->live.empty() ? 0 : recovered->live.back().sequence;
    end_ = durable_ = recovered->live.empty() ? Lsn(0) : recovered->end.lsn;
    crc_ = recovered->end.last_crc;
    Log("recovered " + recovered->end.ToString());
    RemoveDead();
  }

  void CheckRecords(const ReadLog& read) {
    ASSERT_LE(read.records.size(), records_.size()) << read.end.ToString();
    for (size_t i = 0; i < read.records.size(); ++i) {
      ASSERT_EQ(read.records[i].lsn, records_[i].lsn) << "record " << i;
      ASSERT_EQ(read.records[i].payload, records_[i].payload) << "record " << i;
    }
    if (read.records.size() < records_.size()) {
      ASSERT_GT(records_[read.records.size()].end, durable_)
          << "acknowledged, and gone: " << records_[read.records.size()].payload.substr(0, 20)
          << "; " << read.end.ToString();
    }
  }

  // The dead files go in any order; a crash may come between, then recovery sees the rest.
  void RemoveDead() {
    std::vector<uint64_t> dead;
    for (const auto& [sequence, content] : files_) {
      if (sequence > tail_sequence_) dead.push_back(sequence);
    }
    std::shuffle(dead.begin(), dead.end(), random_);
    for (const uint64_t sequence : dead) {
      if (Chance(10)) {
        Log("crash while dead segments are removed");
        return Recover();
      }
      files_.erase(sequence);
    }
  }

  std::mt19937 random_;
  LogFixture fixture_;
  std::string actions_;
  std::map<uint64_t, std::string> files_;
  std::deque<Write> writes_;  // not synced, in order
  std::vector<Record> records_;
  uint64_t records_made_ = 0;

  Incarnation incarnation_ = TestIncarnation(1);
  SegmentHeader segment_;
  bool in_segment_ = false;
  bool sealed_ = false;  // the last write is a seal
  uint64_t tail_sequence_ = 0;
  Lsn end_, next_, durable_;
  uint32_t crc_ = 0;
  std::string rest_;  // of the record in pieces
  Record broken_;
};

// COREWAL_SEED replays one seed; else a fixed set runs.
TEST(RecoveryCrashTest, NoCrashLosesInventsOrRevivesARecord) {
  const char* replay = std::getenv("COREWAL_SEED");
  const uint32_t first = replay != nullptr ? static_cast<uint32_t>(std::atoi(replay)) : 1;
  const uint32_t last = replay != nullptr ? first : 60;
  for (uint32_t seed = first; seed <= last; ++seed) {
    Model model(seed);
    for (int round = 0; round < 8 && !testing::Test::HasFailure(); ++round) model.Round();
    ASSERT_FALSE(testing::Test::HasFailure())
        << "replay with COREWAL_SEED=" << seed << "; the last actions:\n"
        << model.actions().substr(model.actions().size() -
                                  std::min<size_t>(model.actions().size(), 3000));
  }
}

}  // namespace
}  // namespace corewal
