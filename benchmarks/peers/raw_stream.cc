// raw-stream: the bandwidth line. A "record" is one 1 MiB write or read; a sync each 16 MiB.
#include <memory>
#include <thread>
#include <vector>

#include "base/aligned_memory.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/ring_file.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

class StreamClient final : public Client {
 public:
  explicit StreamClient(RingFile& file) : file_(file) {}

  void Commit(absl::string_view) override {}
  void Append(absl::string_view) override {
    file_.Write(file_.chunk(), kMiB);
    if (++writes_ % 16 == 0) file_.Sync();
  }
  void Sync() override {}  // called each MiB; this peer syncs each 16
  void Finish() override { file_.Sync(); }

 private:
  RingFile& file_;
  uint64_t writes_ = 0;
};

class RawStream final : public Peer {
 public:
  explicit RawStream(const RunConfig& config) : config_(config) {
    notes_ =
        "1 MiB O_DIRECT writes, fdatasync every 16 MiB, 2 GiB pre-written ring; no records, no "
        "checksum";
  }
  void Setup() override {
    if (config_.commit() || config_.clients != 1 || config_.record_bytes != kMiB) {
      Die("raw-stream has the modes async and recover, with --clients=1 --record_bytes=1048576");
    }
    const size_t bytes = config_.recover() ? config_.recover_mib * kMiB : 2048 * kMiB;
    file_.Create(config_.directory + "/log", bytes);
  }
  std::unique_ptr<Client> NewClient(int) override { return std::make_unique<StreamClient>(file_); }
  void Teardown() override {}

  RecoverResult Recover() override {
    constexpr size_t kReaders = 4;
    RingFile file;
    file.OpenForRead(config_.directory + "/log");
    const Stopwatch watch;
    std::vector<std::thread> readers;
    for (size_t i = 0; i < kReaders; ++i) {
      readers.emplace_back([&file, i] {
        const AlignedMemory buffer = ValueOrDie(AlignedMemory::Allocate(kMiB));
        for (size_t offset = i * kMiB; offset < file.size(); offset += kReaders * kMiB) {
          file.Read(buffer.data(), kMiB, offset);
        }
      });
    }
    for (std::thread& reader : readers) reader.join();
    RecoverResult result = watch.Result();
    result.records = file.size() / kMiB;
    notes_ = "1 MiB O_DIRECT preads, four at a time; no records, no checksum";
    return result;
  }

 private:
  const RunConfig config_;
  RingFile file_;
};

}  // namespace

std::unique_ptr<Peer> MakeRawStream(const RunConfig& config) {
  return std::make_unique<RawStream>(config);
}

}  // namespace corewal::peers
