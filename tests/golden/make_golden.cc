// make_golden DIRECTORY: writes the golden logs of the current format version, one folder each,
// with what is to be read from them in expected.txt:
//
//   bazel run //tests/golden:make_golden -- $PWD/tests/golden/v1
//
// The real writer makes them, on a simulated disk: the same bytes every time. What is in the tree
// was made when the version was new and is never made again: a later version gets a folder of its
// own, and must read this one as it stands.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/golden/golden_reading.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

// A log on a disk of its own, opened and left as often as told.
class Golden {
 public:
  Golden() {
    Boot();
    CHECK_OK(files_->CreateDirectories(kDirectory));
  }
  ~Golden() { Halt(); }

  void Open(SyncMethod sync = SyncMethod::kDatasync) {
    LogWriterOptions options;
    options.directory = kDirectory;
    for (size_t i = 0; i < options.uuid.bytes.size(); ++i) {
      options.uuid.bytes[i] = static_cast<std::byte>(i * 17);
    }
    options.sync_method = sync;
    options.segment_bytes = 64 << 10;
    options.segments_ready = 1;
    options.incarnation_random = 0x901de000u + openings_++;
    const auto recovered =
        RecoverLog(*files_, *io_, kDirectory, options.uuid, RecoveryMode::kStrict);
    CHECK_OK(recovered.status());
    auto writer = LogWriter::Open(*files_, *io_, disk_.clock(), options, *recovered);
    CHECK_OK(writer.status());
    writer_ = *std::move(writer);
  }
  void Append(std::string text, uint64_t bytes = 0, uint8_t type = 0) {
    for (uint64_t i = 0; text.size() < bytes; ++i) text.push_back(static_cast<char>('a' + i % 26));
    const auto payload =
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
    const AppendOptions options = {.type = static_cast<RecordType>(type)};
    for (;;) {
      absl::StatusOr<Lsn> lsn = type < 128 ? writer_->Append(payload, options)
                                           : writer_->AppendControl(payload, options, Ignore());
      if (lsn.ok()) {
        last_ = *lsn;
        return;
      }
      CHECK(absl::IsResourceExhausted(lsn.status())) << lsn.status();
      CHECK_OK(writer_->Wait(disk_.clock().Now() + 1'000'000));
    }
  }
  void Durable() { CHECK_OK(writer_->WaitDurable()); }
  void Epoch(uint64_t epoch) { writer_->set_epoch(corewal::Epoch(epoch)); }
  void TruncateHere() { CHECK_OK(writer_->TruncateBefore(last_)); }
  void Close() {
    CHECK_OK(writer_->Close());
    writer_.reset();
  }
  // The program ends here, and what completed stays.
  void Kill() { Crash(SimCrash::kProcessKill); }
  void LosePower() { Crash(SimCrash::kPowerLoss); }
  SimDisk& disk() { return disk_; }

  void WriteTo(const std::string& directory) {
    Halt();
    Boot();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    const auto entries = files_->List(kDirectory);
    CHECK_OK(entries.status());
    for (const DirectoryEntry& entry : *entries) {
      const std::string& bytes = disk_.Find(absl::StrCat(kDirectory, "/", entry.name))->file.live();
      std::ofstream(directory + "/" + entry.name, std::ios::binary) << bytes;
    }
    std::ofstream(directory + "/expected.txt") << GoldenReading(*files_, *io_, kDirectory);
  }

 private:
  static AppendCallback Ignore() {
    return [](const absl::StatusOr<Lsn>&) {};
  }
  void Boot() {
    files_ = std::make_unique<SimFileSystem>(disk_);
    auto io = SimStorageIo::Create(*files_, {.queue_depth = 16, .buffers = 5});
    CHECK_OK(io.status());
    io_ = *std::move(io);
  }
  void Halt() {
    writer_.reset();
    io_.reset();
    files_.reset();
  }
  void Crash(SimCrash mode) {
    disk_.Crash(mode);
    Halt();
    Boot();
  }

  SimDisk disk_{20};
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  uint32_t openings_ = 0;
  Lsn last_;
};

void CleanClose(Golden& log) {
  log.Open();
  log.Append("hello");
  log.Append("corewal", 0, 7);
  log.Append("");
  log.Durable();
  log.Append("a second batch", 5000);
  log.Close();
}

// The power fails with batches in flight; which of their sectors arrived is the disk's seed.
void TornTail(Golden& log) {
  log.Open();
  log.Append("this was acknowledged");
  log.Durable();
  for (int i = 0; i < 4; ++i) log.Append(absl::StrCat("this was not ", i), 14'000);
  log.LosePower();
}

void SeveralSegments(Golden& log) {
  log.Open(SyncMethod::kDsync);
  for (int i = 0; i < 12; ++i) log.Append(absl::StrCat("record ", i), 11'000);
  log.Close();
}

void LargeRecord(Golden& log) {
  log.Open();
  log.Append("before");
  log.Append("a record over several segments", 150'000, 42);
  log.Append("after");
  log.Close();
}

// The last file was the first one once, and still holds its old batches.
void Recycled(Golden& log) {
  log.Open();
  for (int i = 0; i < 9; ++i) log.Append(absl::StrCat("old ", i), 13'000);
  log.Durable();
  log.TruncateHere();
  for (int i = 0; i < 8; ++i) {
    log.Append(absl::StrCat("new ", i), 9'000);
    log.Durable();
  }
  log.Kill();
}

// Each opening starts a segment; one of them ended in a crash, one appended nothing.
void SeveralOpenings(Golden& log) {
  log.Open();
  log.Append("first opening");
  log.Close();
  log.Open(SyncMethod::kDsync);
  log.Append("second opening", 3000);
  log.Durable();
  log.LosePower();
  log.Open();
  log.Close();
  log.Open();
  log.Append("third opening that appends");
  log.Close();
}

void ControlRecords(Golden& log) {
  log.Open();
  log.Append("of epoch 0");
  log.Durable();
  log.Epoch(1);
  log.Append("\x01\x02\x03 a barrier", 0, 128);
  log.Append("of epoch 1");
  log.Durable();
  log.Epoch(2);
  log.Append("a checkpoint", 0, 129);
  log.Append("of epoch 2", 100, 127);
  log.Close();
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden DIRECTORY\n");
    return 1;
  }
  const std::vector<std::pair<std::string, std::function<void(corewal::Golden&)>>> kinds = {
      {"clean_close", corewal::CleanClose},   {"torn_tail", corewal::TornTail},
      {"segments", corewal::SeveralSegments}, {"large_record", corewal::LargeRecord},
      {"recycled", corewal::Recycled},        {"openings", corewal::SeveralOpenings},
      {"control", corewal::ControlRecords},
  };
  for (const auto& [name, make] : kinds) {
    corewal::Golden log;
    make(log);
    log.WriteTo(std::string(argv[1]) + "/" + name);
  }
  return 0;
}
