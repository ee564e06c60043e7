// tests/regression/forwarding.h: a StorageIo, a FileSystem and a Clock that do what the real ones
// do, for tests to change one thing of.
#ifndef COREWAL_TESTS_REGRESSION_FORWARDING_H_
#define COREWAL_TESTS_REGRESSION_FORWARDING_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"

namespace corewal {

class ForwardingStorageIo : public StorageIo {
 public:
  explicit ForwardingStorageIo(std::unique_ptr<StorageIo> inner) : inner_(std::move(inner)) {}

  absl::StatusOr<FileHandle> RegisterFile(OpenFile& file) override {
    return inner_->RegisterFile(file);
  }
  absl::Status UnregisterFile(FileHandle file) override { return inner_->UnregisterFile(file); }
  absl::StatusOr<BufferLease> AcquireBuffer() override { return inner_->AcquireBuffer(); }
  absl::StatusOr<OpToken> Write(const WriteOp& op, BufferLease&& buffer) override {
    return inner_->Write(op, std::move(buffer));
  }
  absl::StatusOr<OpToken> Read(const ReadOp& op, BufferLease&& buffer) override {
    return inner_->Read(op, std::move(buffer));
  }
  absl::StatusOr<OpToken> Sync(const SyncOp& op) override { return inner_->Sync(op); }
  absl::StatusOr<OpToken> Preallocate(const PreallocateOp& op) override {
    return inner_->Preallocate(op);
  }
  absl::Status Submit() override { return inner_->Submit(); }
  absl::Status Wait(uint32_t min_completions, MonotonicNs deadline) override {
    return inner_->Wait(min_completions, deadline);
  }
  size_t Poll(absl::Span<Completion> out) override { return inner_->Poll(out); }
  absl::StatusOr<int> notify_fd() override { return inner_->notify_fd(); }
  uint32_t in_flight() const override { return inner_->in_flight(); }
  uint32_t queue_depth() const override { return inner_->queue_depth(); }
  uint32_t buffer_bytes() const override { return inner_->buffer_bytes(); }
  const IoCapabilities& capabilities() const override { return inner_->capabilities(); }
  const IoStats& stats() const override { return inner_->stats(); }

 private:
  std::unique_ptr<StorageIo> inner_;
};

class ForwardingFileSystem : public FileSystem {
 public:
  absl::StatusOr<OpenFile> Open(const std::string& path, const OpenOptions& options) override {
    return host_.Open(path, options);
  }
  absl::StatusOr<OpenFile> OpenDirectory(const std::string& path) override {
    return host_.OpenDirectory(path);
  }
  absl::Status CreateDirectories(const std::string& path) override {
    return host_.CreateDirectories(path);
  }
  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override {
    return host_.List(path);
  }
  absl::Status SyncDirectory(const std::string& path) override { return host_.SyncDirectory(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return host_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return host_.Remove(path); }
  absl::Status Resize(const std::string& path, uint64_t size_bytes) override {
    return host_.Resize(path, size_bytes);
  }
  absl::StatusOr<std::string> ReadSmallFile(const std::string& path, uint64_t bytes_max) override {
    return host_.ReadSmallFile(path, bytes_max);
  }
  absl::Status WriteSmallFile(const std::string& path, absl::string_view content) override {
    return host_.WriteSmallFile(path, content);
  }
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override {
    return host_.Lock(path);
  }
  std::string TypeName(const std::string& path) override { return host_.TypeName(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return host_.FreeBytes(path);
  }

 protected:
  void CloseFd(int) override {}  // the host's files are closed by the host

 private:
  FileSystem& host_ = FileSystem::Host();
};

// Stands still but for Advance and for who sleeps.
class ManualClock final : public Clock {
 public:
  MonotonicNs Now() const override { return now_; }
  void SleepUntil(MonotonicNs when) const override { now_ = std::max(now_, when); }
  void Advance(MonotonicNs by) { now_ += by; }

 private:
  mutable MonotonicNs now_ = System().Now();
};

}  // namespace corewal

#endif  // COREWAL_TESTS_REGRESSION_FORWARDING_H_
