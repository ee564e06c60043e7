// Every crash of short stories: the power fails at every action, and what was unsynced then is kept
// in every combination: each 512-byte sector with each content that it had, each size, each name.
//
//   story, crash at action 0, 1, 2, ...   x   all answers to "is this kept?"   ->  recover, judge
//
// The story is told again from the start for each outcome (the disk is deterministic), and an
// odometer goes through the answers. Judged by the oracle of the random simulation.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/sim/log_oracle.h"
#include "wal/log_reader.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";
const StorageIoOptions kIoOptions = {.queue_depth = 16, .buffers = 5, .buffer_bytes = 64 << 10};

// All combinations of answers, one for each round.
class Odometer final : public SimChoices {
 public:
  // The next combination. False: all have been.
  bool Next() {
    while (!wheels_.empty() && wheels_.back().at + 1 == wheels_.back().positions) {
      wheels_.pop_back();
    }
    if (wheels_.empty()) return false;
    ++wheels_.back().at;
    return true;
  }
  void Begin() override { asked_ = 0; }
  // What a write in flight brought may be kept sector by sector, or not at all.
  bool TakeInFlight() override { return true; }
  bool KeepName() override { return Ask(2) != 0; }
  bool KeepSize() override { return Ask(2) != 0; }
  uint64_t SectorVersion(uint64_t versions) override { return Ask(versions + 1); }

 private:
  struct Wheel {
    uint64_t positions;
    uint64_t at = 0;
  };
  uint64_t Ask(uint64_t positions) {
    if (asked_ == wheels_.size()) wheels_.push_back({positions});
    const Wheel& wheel = wheels_[asked_++];
    CHECK_EQ(wheel.positions, positions) << "the story was told differently";
    return wheel.at;
  }

  std::vector<Wheel> wheels_;
  size_t asked_ = 0;
};

// One process with the log open.
struct Program {
  SimFileSystem files;
  std::unique_ptr<StorageIo> io;
  std::unique_ptr<LogWriter> writer;
  LogOracle& oracle;
  uint64_t records = 0;
  uint64_t crash_from = 0;  // action; crashes before it would have too many outcomes

  Program(SimDisk& disk, LogOracle& told) : files(disk), oracle(told) {
    auto made = SimStorageIo::Create(files, kIoOptions);
    CHECK_OK(made.status());
    io = *std::move(made);
  }
  ~Program() {
    writer.reset();
    io.reset();
  }

  void Append(uint64_t bytes, Durability durability = Durability::kDurable) {
    std::string payload = absl::StrCat("record ", ++records, " ");
    while (payload.size() < bytes) payload.push_back(static_cast<char>('a' + payload.size() % 23));
    const auto lsn = writer->Append(
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(payload.data()), payload.size()),
        {.durability = durability}, [this, durability](const absl::StatusOr<Lsn>& done) {
          if (done.ok() && durability == Durability::kDurable) oracle.Durable(*done + 1);
        });
    if (!lsn.ok()) return;
    EXPECT_EQ(oracle.Appended({*lsn, std::move(payload)}), "");
  }
  void Wait(MonotonicNs ns) { writer->Wait(files.disk().clock().Now() + ns).IgnoreError(); }
  void CrashFromHereOn() { crash_from = files.disk().actions(); }
  void Durable() { writer->WaitDurable().IgnoreError(); }
  void Idle() {
    const MonotonicNs until = files.disk().clock().Now() + 3'000'000;
    while (writer->failure().ok() && files.disk().clock().Now() < until) {
      writer->Wait(until).IgnoreError();
    }
  }
};

struct Story {
  const char* name;
  SyncMethod sync;
  std::function<void(Program&)> tell;
};

LogWriterOptions OptionsOf(const Story& story) {
  LogWriterOptions options;
  options.directory = kDirectory;
  options.uuid.bytes.fill(std::byte{7});
  options.sync_method = story.sync;
  options.segment_bytes = 64 << 10;
  options.segments_ready = 1;
  options.seal_after_us = 500;
  options.incarnation_random = 1;
  return options;
}

// Opens the log in `program`; not OK: a crash came.
absl::Status Open(SimDisk& disk, Program& program, const Story& story) {
  absl::Status made = program.files.CreateDirectories(kDirectory);
  if (!made.ok()) return made;
  const LogWriterOptions options = OptionsOf(story);
  const auto recovered =
      RecoverLog(program.files, *program.io, kDirectory, options.uuid, RecoveryMode::kStrict);
  if (!recovered.ok()) return recovered.status();
  auto writer = LogWriter::Open(program.files, *program.io, disk.clock(), options, *recovered);
  if (!writer.ok()) return writer.status();
  program.writer = *std::move(writer);
  program.oracle.Opened();
  return absl::OkStatus();
}

// What a program finds that comes after the crash. Empty: nothing is wrong.
std::string ReadAndJudge(Program& program) {
  auto reader = LogReader::Open(program.files, *program.io, kDirectory, {});
  if (!reader.ok()) {
    return absl::IsNotFound(reader.status()) && program.oracle.acknowledged() == Lsn()
               ? ""
               : reader.status().ToString();
  }
  std::vector<LogOracle::Record> records;
  RecordView record;
  while ((*reader)->Next(&record)) {
    records.push_back({record.lsn, std::string(reinterpret_cast<const char*>(record.payload.data()),
                                               record.payload.size())});
  }
  const absl::Status end = (*reader)->end().ToStatus();
  if (!end.ok()) return end.ToString();
  return program.oracle.Recovered(records).text;
}

class ExhaustiveCrashTest : public testing::TestWithParam<Story> {
 protected:
  // Tells the story up to the crash, recovers, appends once more, recovers again.
  std::string Once(uint64_t crash_at, Odometer& odometer) {
    const Story& story = GetParam();
    SimDisk disk(1);
    disk.set_choices(&odometer);
    disk.CrashAfter(crash_at, SimCrash::kPowerLoss);
    LogOracle oracle;
    {
      Program program(disk, oracle);
      if (Open(disk, program, story).ok()) story.tell(program);
      crash_from_ = program.crash_from;
      crashed_ = disk.crashes() > 0;
      if (!crashed_) disk.Crash(SimCrash::kPowerLoss);
    }
    oracle.PowerLost();
    Program after(disk, oracle);
    std::string wrong = ReadAndJudge(after);
    if (!wrong.empty()) return absl::StrCat(wrong, "\n", disk.trace().ToString());
    if (absl::Status opened = Open(disk, after, story); !opened.ok()) return opened.ToString();
    if (crash_at % 4 != 0) return "";  // the rest is the slow part
    after.records = 100;
    after.Append(100);
    if (absl::Status closed = after.writer->Close(); !closed.ok()) return closed.ToString();
    Program last(disk, oracle);
    wrong = ReadAndJudge(last);
    return wrong.empty() ? "" : absl::StrCat("the second time: ", wrong);
  }

  bool crashed_ = false;
  uint64_t crash_from_ = 0;
};

TEST_P(ExhaustiveCrashTest, EveryOutcomeOfEveryCrashIsRecovered) {
  Odometer whole;
  ASSERT_EQ(Once(UINT32_MAX, whole), "");
  uint64_t outcomes = 0, most = 0, crashes = 0, crash_at = crash_from_;
  do {
    Odometer odometer;
    uint64_t here = 0;
    do {
      const std::string wrong = Once(crash_at, odometer);
      ASSERT_EQ(wrong, "") << "crash at action " << crash_at << ", outcome " << here;
      ASSERT_LT(++here, 100'000u) << "this story has too many outcomes to be told in full";
    } while (odometer.Next());
    outcomes += here;
    most = std::max(most, here);
    ++crash_at;
    ++crashes;
  } while (crashed_);
  std::printf("%llu crashes, %llu outcomes, at most %llu of one crash\n",
              static_cast<unsigned long long>(crashes), static_cast<unsigned long long>(outcomes),
              static_cast<unsigned long long>(most));
  EXPECT_GE(crashes, 5u);
  EXPECT_GT(most, 20u) << "else little was left to chance";
}

// Batches of one to three sectors that are written and not synced, then synced.
void GroupCommit(Program& program) {
  for (const uint64_t bytes : {1500, 900, 600}) {
    program.Append(bytes, Durability::kWritten);
    program.Wait(1'000'000);
  }
  program.Durable();
  program.Append(700, Durability::kWritten);
  program.Wait(1'000'000);
  program.Append(30);
  program.Append(900, Durability::kAppended);
  program.Durable();
  program.Append(1200);
  program.Wait(1'000'000);
  program.Append(10, Durability::kWritten);
  program.Durable();
}

// A seal, then a batch over it, another behind it while that is in flight.
void BatchOverSeal(Program& program) {
  program.Append(300);
  program.Durable();
  program.Idle();
  program.Append(900, Durability::kWritten);
  program.Wait(500'000);
  program.Append(500, Durability::kWritten);
  program.Wait(500'000);
  program.Idle();
}

// The last batch of a segment and the first of the next, unsynced together.
void Roll(Program& program) {
  program.Append(52'000);
  program.Durable();
  program.CrashFromHereOn();
  program.Wait(5'000'000);
  program.Append(600, Durability::kWritten);
  program.Wait(1'000'000);
  program.Append(800, Durability::kWritten);
  program.Wait(1'000'000);
  program.Append(100, Durability::kWritten);
  program.Wait(1'000'000);
  program.Durable();
}

INSTANTIATE_TEST_SUITE_P(Story, ExhaustiveCrashTest,
                         testing::Values(Story{"GroupCommit", SyncMethod::kDatasync, GroupCommit},
                                         Story{"GroupCommitDsync", SyncMethod::kDsync, GroupCommit},
                                         Story{"BatchOverSeal", SyncMethod::kDatasync,
                                               BatchOverSeal},
                                         Story{"Roll", SyncMethod::kDatasync, Roll}),
                         [](const auto& story) { return std::string(story.param.name); });

}  // namespace
}  // namespace corewal
