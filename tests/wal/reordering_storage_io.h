// tests/wal/reordering_storage_io.h: a StorageIo that completes late and out of order, and an
// oracle of what its syncs really made durable.
//
// Wraps a real backend. Completions are held back and handed out in a seeded random order, some
// Polls giving none. The oracle applies DESIGN R1 as the device does: a Sync covers a write only if
// that write's completion had been handed out before the Sync was staged; a DSYNC write covers
// itself. A writer that calls more than DurablePrefix() durable broke the rule.
#ifndef COREWAL_TESTS_WAL_REORDERING_STORAGE_IO_H_
#define COREWAL_TESTS_WAL_REORDERING_STORAGE_IO_H_

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "io_backend/storage_io.h"
#include "wal/format.h"

namespace corewal {

class ReorderingStorageIo final : public StorageIo {
 public:
  ReorderingStorageIo(std::unique_ptr<StorageIo> inner, uint64_t seed)
      : inner_(std::move(inner)), random_(seed) {}

  // The end of the contiguous batches, from `begin`, that are durable on the device.
  Lsn DurablePrefix(Lsn begin) const {
    Lsn end = begin;
    for (const auto& [lsn, batch] : batches_) {
      if (lsn < begin) continue;
      if (!batch.durable) break;
      end = batch.end;
    }
    return end;
  }
  size_t batches_seen() const { return batches_.size(); }
  uint64_t reordered() const { return reordered_; }

  // From now on the nth write of a batch fails with EIO (1: the next); 0: none.
  void FailBatchWrite(int nth) { fail_batch_ = nth; }
  void FailSync(int nth) { fail_sync_ = nth; }

  absl::StatusOr<FileHandle> RegisterFile(OpenFile& file) override {
    return inner_->RegisterFile(file);
  }
  absl::Status UnregisterFile(FileHandle file) override { return inner_->UnregisterFile(file); }
  absl::StatusOr<BufferLease> AcquireBuffer() override { return inner_->AcquireBuffer(); }

  absl::StatusOr<OpToken> Write(const WriteOp& op, BufferLease&& buffer) override {
    BatchHeader header;
    bool is_batch = false;
    for (uint32_t at : {0u, kBlockBytes}) {
      if (at + kBatchHeaderBytes > op.length) break;
      const auto bytes = absl::MakeConstSpan(buffer.data() + at, kBatchHeaderBytes);
      is_batch = DecodeBatchHeader(bytes, &header) == FormatRule::kOk;
      if (is_batch) break;
    }
    const bool seal = (header.flags & kBatchFlagSeal) != 0;
    absl::StatusOr<OpToken> token = inner_->Write(op, std::move(buffer));
    if (token.ok() && is_batch && !seal) {
      batches_[header.lsn] = {header.lsn + header.length_bytes, op.file.index, op.mode};
      batch_of_[token->bits] = header.lsn;
      if (fail_batch_ > 0 && --fail_batch_ == 0) failing_.insert(token->bits);
    }
    return token;
  }
  absl::StatusOr<OpToken> Read(const ReadOp& op, BufferLease&& buffer) override {
    return inner_->Read(op, std::move(buffer));
  }
  absl::StatusOr<OpToken> Sync(const SyncOp& op) override {
    absl::StatusOr<OpToken> token = inner_->Sync(op);
    if (!token.ok()) return token;
    std::vector<Lsn>& covered = covered_by_[token->bits];
    for (const auto& [lsn, batch] : batches_) {
      if (batch.handed_out && batch.file_index == op.file.index) covered.push_back(lsn);
    }
    if (fail_sync_ > 0 && !covered.empty() && --fail_sync_ == 0) failing_.insert(token->bits);
    return token;
  }
  absl::StatusOr<OpToken> Preallocate(const PreallocateOp& op) override {
    return inner_->Preallocate(op);
  }
  absl::Status Submit() override { return inner_->Submit(); }
  absl::Status Wait(uint32_t min_completions, MonotonicNs deadline) override {
    return held_.empty() ? inner_->Wait(min_completions, deadline) : inner_->Submit();
  }

  size_t Poll(absl::Span<Completion> out) override {
    Completion completion;
    while (inner_->Poll(absl::MakeSpan(&completion, 1)) == 1) {
      held_.push_back(std::move(completion));
    }
    for (Completion& entry : out) entry.buffer.Return();
    size_t n = 0;
    while (n < out.size() && !held_.empty() && random_() % 3 != 0) {
      const size_t pick = random_() % held_.size();
      if (pick != 0) ++reordered_;
      out[n++] = std::move(held_[pick]);
      held_.erase(held_.begin() + static_cast<ptrdiff_t>(pick));
      HandOut(out[n - 1]);
    }
    return n;
  }

  absl::StatusOr<int> notify_fd() override { return inner_->notify_fd(); }
  uint32_t in_flight() const override {
    return inner_->in_flight() + static_cast<uint32_t>(held_.size());
  }
  uint32_t queue_depth() const override { return inner_->queue_depth(); }
  uint32_t buffer_bytes() const override { return inner_->buffer_bytes(); }
  const IoCapabilities& capabilities() const override { return inner_->capabilities(); }
  const IoStats& stats() const override { return inner_->stats(); }

 private:
  struct Batch {
    Lsn end;
    uint32_t file_index = 0;
    WriteMode mode = WriteMode::kPlain;
    bool handed_out = false;
    bool durable = false;
  };

  void HandOut(Completion& completion) {
    if (failing_.erase(completion.token.bits) != 0) completion.error = 5;  // EIO
    if (auto it = batch_of_.find(completion.token.bits); it != batch_of_.end()) {
      Batch& batch = batches_[it->second];
      batch.handed_out = completion.ok();
      if (batch.mode == WriteMode::kDsync) batch.durable = completion.ok();
      batch_of_.erase(it);
    }
    if (auto it = covered_by_.find(completion.token.bits); it != covered_by_.end()) {
      for (Lsn lsn : it->second) {
        if (completion.ok()) batches_[lsn].durable = true;
      }
      covered_by_.erase(it);
    }
  }

  std::unique_ptr<StorageIo> inner_;
  std::mt19937_64 random_;
  std::deque<Completion> held_;
  std::map<Lsn, Batch> batches_;
  std::map<uint64_t, Lsn> batch_of_;
  std::map<uint64_t, std::vector<Lsn>> covered_by_;
  std::set<uint64_t> failing_;
  uint64_t reordered_ = 0;
  int fail_batch_ = 0;
  int fail_sync_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_REORDERING_STORAGE_IO_H_
