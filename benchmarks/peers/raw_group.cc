// raw-group: naive group commit. A mutex, a shared buffer; the leader writes and syncs the batch.
#include <cstring>
#include <memory>

#include "benchmarks/peers/frame.h"
#include "benchmarks/peers/group_buffer.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/raw_scan.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/ring_file.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

class GroupClient final : public Client {
 public:
  explicit GroupClient(GroupBuffer& buffer) : buffer_(buffer) {}

  void Commit(absl::string_view record) override {
    buffer_.Append(record, CrcOf(record), GroupBuffer::Then::kWaitDurable);
  }
  void Append(absl::string_view record) override {
    buffer_.Append(record, CrcOf(record), GroupBuffer::Then::kReturn);
  }
  void Sync() override { buffer_.Sync(); }

 private:
  GroupBuffer& buffer_;
};

class RawGroup final : public Peer {
 public:
  explicit RawGroup(const RunConfig& config) : config_(config) {
    notes_ =
        "mutex group commit, leader does one O_DIRECT pwrite + fdatasync per batch, pre-written "
        "ring, CRC-32C";
  }
  void Setup() override {
    const size_t framed_bytes = config_.RecoverRecords() * FramedBytes(config_.record_bytes);
    file_.Create(config_.directory + "/log",
                 config_.recover() ? framed_bytes * 5 / 4 + 64 * kMiB : 1024 * kMiB);
    buffer_ = std::make_unique<GroupBuffer>([this](std::byte* data, size_t bytes) {
      const size_t padded_bytes = PadToBlock(bytes);
      std::memset(data + bytes, 0, padded_bytes - bytes);
      file_.Write(data, padded_bytes);
      file_.Sync();
    });
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<GroupClient>(*buffer_);
  }
  void Teardown() override {}

  RecoverResult Recover() override {
    ReplayCheck check;
    const Stopwatch watch;
    RingFile file;
    file.OpenForRead(config_.directory + "/log");
    ScanRawLog(file, &check);
    RecoverResult result = watch.Result();
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    notes_ += "; one thread, 1 MiB O_DIRECT preads, CRC checked";
    return result;
  }

 private:
  const RunConfig config_;
  RingFile file_;
  std::unique_ptr<GroupBuffer> buffer_;
};

}  // namespace

std::unique_ptr<Peer> MakeRawGroup(const RunConfig& config) {
  return std::make_unique<RawGroup>(config);
}

}  // namespace corewal::peers
