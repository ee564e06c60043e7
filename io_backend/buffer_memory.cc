#include "io_backend/buffer_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/aligned_memory.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "base/thread_owner.h"

namespace corewal {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr char kTransparentSwitch[] = "/sys/kernel/mm/transparent_hugepage/enabled";

// A line of /proc/meminfo; 0 if there is none of this name.
uint64_t MemoryInfo(absl::string_view name) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  uint64_t value = 0;
  for (std::string rest; in >> key >> value; std::getline(in, rest)) {
    if (key == name) return value;
  }
  return 0;
}

// By number: sanitizers turn the library's mlock(2) into one that does nothing.
bool Lock(std::byte* data, size_t bytes) { return syscall(SYS_mlock, data, bytes) == 0; }
bool Unlock(std::byte* data, size_t bytes) { return syscall(SYS_munlock, data, bytes) == 0; }

std::string FirstLine(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BufferMemory>> BufferMemory::Create(
    const Options& options, std::vector<std::string>* reasons) {
  CHECK_GT(options.bytes, 0u);
  CHECK_LE(options.bytes, options.bytes_max);
  std::unique_ptr<BufferMemory> memory;
  const size_t huge_bytes = MemoryInfo("Hugepagesize:") * 1024;
  if (options.huge_pages != Want::kOff) {
    auto reserved = huge_bytes == 0 ? absl::ResourceExhaustedError("this kernel has none")
                                    : CreateOf(options, Pages::kReservedHuge, huge_bytes);
    if (reserved.ok()) {
      memory = *std::move(reserved);
    } else {
      const size_t wanted = huge_bytes == 0 ? 0 : (options.bytes_max + huge_bytes - 1) / huge_bytes;
      const std::string refused =
          absl::StrCat("buffers are not in reserved huge pages: ", reserved.status().message(),
                       "; ", MemoryInfo("HugePages_Free:"), " are free, up to ", wanted,
                       " are wanted; reserve them with sysctl vm.nr_hugepages");
      if (options.huge_pages == Want::kOn) return absl::FailedPreconditionError(refused);
      reasons->push_back(refused);
    }
  }
  if (memory == nullptr && options.huge_pages == Want::kAuto && huge_bytes != 0) {
    const std::string transparent = FirstLine(kTransparentSwitch);
    if (transparent.empty() || absl::StrContains(transparent, "[never]")) {
      reasons->push_back(absl::StrCat(
          "buffers are not in transparent huge pages: ", kTransparentSwitch, " is ",
          transparent.empty() ? "missing" : "never; allow them with: echo madvise > there"));
    } else {
      ASSIGN_OR_RETURN(memory, CreateOf(options, Pages::kTransparentHuge, huge_bytes));
    }
  }
  if (memory == nullptr) {
    ASSIGN_OR_RETURN(memory, CreateOf(options, Pages::kOrdinary, kPageBytes));
  }
  RETURN_IF_ERROR(memory->LockPresent(options.lock, reasons));
  return memory;
}

absl::StatusOr<std::unique_ptr<BufferMemory>> BufferMemory::CreateOf(const Options& options,
                                                                     Pages pages,
                                                                     size_t page_bytes) {
  std::unique_ptr<BufferMemory> memory(new BufferMemory(options, pages, page_bytes));
  RETURN_IF_ERROR(memory->Map());
  RETURN_IF_ERROR(memory->Grow(options.bytes));
  return memory;
}

BufferMemory::BufferMemory(const Options& options, Pages pages, size_t page_bytes)
    : pages_(pages),
      page_bytes_(page_bytes),
      bytes_max_(RoundUp(options.bytes_max)),
      process_(ProcessGeneration()) {}

absl::Status BufferMemory::Map() {
  // Transparent huge pages want addresses that are multiples of their size.
  mapped_bytes_ = bytes_max_ + (pages_ == Pages::kTransparentHuge ? page_bytes_ : 0);
  const int huge = pages_ == Pages::kReservedHuge ? MAP_HUGETLB : 0;
  void* const mapped = mmap(nullptr, mapped_bytes_, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | huge, -1, 0);
  if (mapped == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("reserving addresses for ", mapped_bytes_, " bytes: ", ErrnoName(errno)));
  }
  mapped_ = mapped;
  const auto address = reinterpret_cast<uintptr_t>(mapped);
  data_ = static_cast<std::byte*>(mapped) + (RoundUp(address) - address);
  if (madvise(mapped_, mapped_bytes_, MADV_DONTFORK) != 0) {
    return ErrnoStatus(errno, "madvise(MADV_DONTFORK)", "of buffers", {.length = mapped_bytes_});
  }
  if (pages_ == Pages::kTransparentHuge) (void)madvise(mapped_, mapped_bytes_, MADV_HUGEPAGE);
  return absl::OkStatus();
}

BufferMemory::~BufferMemory() {
  // In a forked child the range was never mapped; by now it may be somebody else's.
  if (mapped_ != nullptr && process_ == ProcessGeneration()) munmap(mapped_, mapped_bytes_);
}

absl::Status BufferMemory::Grow(size_t bytes) {
  CHECK_LE(bytes, bytes_max_);
  const size_t wanted = RoundUp(bytes);
  if (wanted <= present_) return absl::OkStatus();
  std::byte* const begin = data_ + present_;
  const size_t more = wanted - present_;
  int error = mprotect(begin, more, PROT_READ | PROT_WRITE) == 0 ? 0 : errno;
  if (error == 0) error = PrefaultMemory(begin, more);
  if (error == 0 && locked_ && !Lock(begin, more)) error = errno;
  if (error == 0) {
    present_ = wanted;
    return absl::OkStatus();
  }
  (void)madvise(begin, more, MADV_DONTNEED);
  (void)mprotect(begin, more, PROT_NONE);
  return absl::ResourceExhaustedError(
      absl::StrCat("making ", more, " bytes of buffers present: ", ErrnoName(error)));
}

void BufferMemory::Shrink(size_t bytes) {
  const size_t kept = RoundUp(bytes);
  if (kept >= present_) return;
  std::byte* const begin = data_ + kept;
  const size_t less = present_ - kept;
  if (locked_ && !Unlock(begin, less)) return;
  if (madvise(begin, less, MADV_DONTNEED) != 0) {
    if (locked_) locked_ = Lock(begin, less);
    return;
  }
  (void)mprotect(begin, less, PROT_NONE);
  present_ = kept;
}

absl::Status BufferMemory::LockPresent(Want wanted, std::vector<std::string>* reasons) {
  if (wanted == Want::kOff) return absl::OkStatus();
  locked_ = Lock(data_, present_);
  if (locked_) return absl::OkStatus();
  const std::string refused = absl::StrCat(
      "buffers are not locked in memory: mlock of ", present_, " bytes: ", ErrnoName(errno),
      "; raise RLIMIT_MEMLOCK (ulimit -l), or use fewer buffers");
  if (wanted == Want::kOn) return absl::FailedPreconditionError(refused);
  reasons->push_back(refused);
  return absl::OkStatus();
}

std::string BufferMemory::PagesName() const {
  switch (pages_) {
    case Pages::kOrdinary:
      return "ordinary pages";
    case Pages::kTransparentHuge:
      return "transparent huge pages";
    case Pages::kReservedHuge:
      return absl::StrCat("reserved huge pages of ", page_bytes_ / 1024, " KiB");
  }
  return "unknown";
}

}  // namespace corewal
