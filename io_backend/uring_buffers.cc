#include "io_backend/uring_buffers.h"

#include <sys/uio.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "uring/fixed_buffers.h"

namespace corewal {

std::vector<iovec> UringBuffers::VectorsOf(uint32_t from, uint32_t to) const {
  std::vector<iovec> vectors;
  for (uint32_t i = from; i < to; ++i) vectors.push_back({pool_.address(i), pool_.buffer_bytes()});
  return vectors;
}

absl::Status UringBuffers::Register(Want wanted, std::vector<std::string>* reasons) {
  wanted_ = wanted;
  if (wanted == Want::kOff) return absl::OkStatus();
  const std::vector<iovec> buffers = VectorsOf(0, pool_.buffers());
  FixedBuffersThatFit fitting;
  if (pool_.buffers_max() > pool_.buffers()) {
    const absl::Status table = RegisterBufferTable(ring_, pool_.buffers_max());
    table_ = table.ok();
    if (!table_ && wanted == Want::kOn) return table;
    if (!table_) {
      reasons->push_back(
          absl::StrCat("buffers that are added later are not registered: ", table.message()));
      fixed_told_ = true;
    }
  }
  if (table_) {
    fitting = FillBufferSlots(ring_, 0, buffers);
    if (wanted == Want::kOn && fitting.count < buffers.size()) {
      return absl::FailedPreconditionError(fitting.reason);
    }
  } else if (wanted == Want::kOn) {
    RETURN_IF_ERROR(RegisterFixedBuffers(ring_, buffers));
    fitting.count = pool_.buffers();
  } else {
    fitting = RegisterFixedBuffersThatFit(ring_, buffers);
  }
  fixed_ = fitting.count;
  if (!fitting.reason.empty()) reasons->push_back(std::move(fitting.reason));
  return absl::OkStatus();
}

absl::Status UringBuffers::Add(uint32_t from, uint32_t to, std::vector<std::string>* reasons) {
  if (!table_ || fixed_ != from) return absl::OkStatus();
  FixedBuffersThatFit fitting = FillBufferSlots(ring_, from, VectorsOf(from, to));
  fixed_ = from + fitting.count;
  if (fixed_ == to) return absl::OkStatus();
  if (wanted_ == Want::kOn) {
    const absl::Status cleared = Drop(from, fixed_);
    if (!cleared.ok()) return absl::OkStatus();  // they stay, then, registered in part
    return absl::ResourceExhaustedError(fitting.reason);
  }
  if (!std::exchange(fixed_told_, true)) reasons->push_back(std::move(fitting.reason));
  return absl::OkStatus();
}

absl::Status UringBuffers::Drop(uint32_t from, uint32_t to) {
  const uint32_t end = std::min(to, fixed_);
  if (!table_ || from >= end) return absl::OkStatus();
  RETURN_IF_ERROR(ClearBufferSlots(ring_, from, end - from));
  fixed_ = from;
  return absl::OkStatus();
}

void UringBuffers::Unregister() {
  if (fixed_ > 0 || table_) UnregisterFixedBuffers(ring_);
  fixed_ = 0;
}

void UringBuffers::CreateRing(BufferGroupIds* ids, std::vector<std::string>* reasons) {
  auto group = BufferRing::Create(&ring_, ids,
                                  {.buffers = pool_.ring_buffers(),
                                   .buffer_bytes = pool_.buffer_bytes(),
                                   .memory = pool_.ring_memory(),
                                   .provided = false});
  if (group.ok()) {
    group_ = *std::move(group);
    ProvideReturned();
    return;
  }
  pool_.DropRing();
  reasons->push_back(absl::StrCat("ReadAny takes buffers of the pool: ", group.status().message()));
}

void UringBuffers::ProvideReturned() {
  if (group_ == nullptr) return;
  while (const std::optional<uint32_t> index = pool_.Provide()) {
    group_->GiveBack(static_cast<uint16_t>(*index));
  }
}

BufferLease UringBuffers::TakePicked(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_BUFFER) == 0) return {};
  const auto taken = group_->Take(cqe);  // of a failed read it is provided again at once
  return taken.ok() ? pool_.TakePicked(taken->index) : BufferLease();
}

void UringBuffers::CloseRing() {
  if (group_ == nullptr) return;
  const std::vector<bool> taken = group_->taken_buffers();
  group_.reset();
  for (uint32_t i = 0; i < taken.size(); ++i) {
    if (!taken[i]) pool_.TakeBack(i);
  }
}

}  // namespace corewal
