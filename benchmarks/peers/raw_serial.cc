// raw-serial: one client; each record is one padded O_DIRECT write and one fdatasync.
#include <memory>

#include "base/aligned_memory.h"
#include "benchmarks/peers/frame.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/ring_file.h"

namespace corewal::peers {
namespace {

class SerialClient final : public Client {
 public:
  SerialClient(RingFile& file, size_t padded_bytes)
      : file_(file), buffer_(ValueOrDie(AlignedMemory::Allocate(padded_bytes))) {}

  void Commit(absl::string_view record) override {
    PutFramed({static_cast<uint32_t>(record.size()), CrcOf(record), next_sequence_++}, record,
              buffer_.data());
    file_.Write(buffer_.data(), buffer_.size());
    file_.Sync();
  }
  void Append(absl::string_view record) override { Commit(record); }
  void Sync() override {}

 private:
  RingFile& file_;
  AlignedMemory buffer_;
  uint64_t next_sequence_ = 0;
};

class RawSerial final : public Peer {
 public:
  explicit RawSerial(const RunConfig& config) : config_(config) {
    notes_ =
        "one thread, one padded O_DIRECT pwrite + fdatasync per record, 256 MiB pre-written ring, "
        "CRC-32C";
  }
  void Setup() override {
    if (!config_.commit() || config_.clients != 1) {
      Die("raw-serial has the commit mode only, with --clients=1");
    }
    file_.Create(config_.directory + "/log", 256 * kMiB);
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<SerialClient>(file_, PadToBlock(FramedBytes(config_.record_bytes)));
  }
  void Teardown() override {}

 private:
  const RunConfig config_;
  RingFile file_;
};

}  // namespace

std::unique_ptr<Peer> MakeRawSerial(const RunConfig& config) {
  return std::make_unique<RawSerial>(config);
}

}  // namespace corewal::peers
