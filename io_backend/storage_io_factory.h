// io_backend/storage_io_factory.h: chooses a backend and says why.
//
//   ASSIGN_OR_RETURN(auto io, CreateStorageIo({.backend = IoBackend::kAuto}));
//   for (const std::string& reason : io->capabilities().fallback_reasons) ...
//
// The ladder of kAuto: io_uring with SINGLE_ISSUER|DEFER_TASKRUN, else COOP_TASKRUN, else a plain
// ring, else posix. SQPOLL is used only when asked for. COREWAL_IO_URING=off in the environment
// forbids io_uring to the whole process.
#ifndef COREWAL_IO_BACKEND_STORAGE_IO_FACTORY_H_
#define COREWAL_IO_BACKEND_STORAGE_IO_FACTORY_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "io_backend/storage_io.h"

namespace corewal {

class SharedPoller;  // opaque

enum class IoBackend : uint8_t { kAuto, kUring, kPosix };
// kAuto: if it helps and is allowed. kOn: required; creating fails with the reason. kOff: never.
enum class Want : uint8_t { kAuto, kOn, kOff };
// Where ReadAny reads to. kFixed: a buffer of the pool, taken when the read is staged (READ_FIXED
// if it is registered). kRing: a buffer that the kernel picks when it has data, from a ring of its
// own (IORING_REGISTER_PBUF_RING); where that is not to be had, or all of it is taken, as kFixed.
enum class ReadBuffers : uint8_t { kFixed, kRing };

struct StorageIoOptions {
  IoBackend backend = IoBackend::kAuto;
  uint32_t queue_depth = 64;         // operations in flight; 1 .. 4096
  uint32_t file_slots = 32;          // registered files; 1 .. 32768
  uint32_t buffers = 8;              // 1 .. 16384 (FACTS: limit of a ring)
  uint32_t buffer_bytes = 1u << 20;  // a multiple of 4096, at most 64 MiB
  // The pool grows up to so many when none is free, and shrinks to `buffers` again; `buffers` ..
  // 16384; 0: it stays as it is. What was not in use at once for buffers_idle_ms is given back by
  // the next Poll or Wait.
  uint32_t buffers_max = 0;
  uint32_t buffers_idle_ms = 1000;
  // kAuto: reserved huge pages (vm.nr_hugepages), else transparent ones, else ordinary ones, and
  // capabilities() says why. kOn: reserved ones are required.
  Want huge_pages = Want::kOff;
  // mlock(2), for buffers that no ring has registered. kAuto: if RLIMIT_MEMLOCK allows.
  Want lock_buffers = Want::kOff;
  ReadBuffers read_buffers = ReadBuffers::kFixed;
  uint32_t ring_buffers = 8;  // for kRing, besides `buffers`: a power of two, 1 .. 4096
  Want registered_buffers = Want::kAuto;
  Want registered_files = Want::kAuto;
  // A lone write or sync that the caller is about to wait for goes by a blocking system call rather
  // than through the ring, which takes longer to be told of it (FACTS: 104 against 119 us).
  bool lone_operation_by_syscall = true;
  Want sqpoll = Want::kAuto;
  uint32_t sqpoll_idle_ms = 50;
  int sqpoll_cpu = -1;  // -1: anywhere
  // Operations of one file that may be unfinished, so that a busy file leaves room for the others;
  // 0: as many as the queue holds.
  uint32_t file_in_flight_max = 0;
  // With sqpoll: the poller to use, together with other storages; sqpoll_cpu is not used. Null: a
  // poller of its own.
  std::shared_ptr<const SharedPoller> shared_poller = nullptr;
};

// One poller for the storages of many threads (IORING_SETUP_ATTACH_WQ), so that it takes one core
// and not one for each. `idle_ms`: how long it spins before it sleeps; `cpu` -1: anywhere.
// FailedPrecondition: not to be had, with the reason and the remedy.
absl::StatusOr<std::shared_ptr<const SharedPoller>> CreateSharedPoller(uint32_t idle_ms = 50,
                                                                       int cpu = -1);

// InvalidArgument: an option out of range, named. FailedPrecondition: backend or feature required
// and not to be had, with the reason and the remedy. The caller's thread becomes the storage's.
absl::StatusOr<std::unique_ptr<StorageIo>> CreateStorageIo(const StorageIoOptions& options);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_STORAGE_IO_FACTORY_H_
