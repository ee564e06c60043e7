// io_backend/io_latencies.h: how long operations took, per kind.
//
// From being handed to the kernel until the backend saw the answer, in nanoseconds; a rest that was
// tried again counts into the same operation. The clock is read once per submission and once per
// reaping, whatever the number of operations; recording is a few instructions. 76 KiB.
// Thread: that of the StorageIo; copy it to look at it elsewhere.
#ifndef COREWAL_IO_BACKEND_IO_LATENCIES_H_
#define COREWAL_IO_BACKEND_IO_LATENCIES_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/histogram.h"
#include "io_backend/op_kind.h"

namespace corewal {

class IoLatencies {
 public:
  const Histogram& of(OpKind kind) const { return histograms_[static_cast<size_t>(kind)]; }
  Histogram& of(OpKind kind) { return histograms_[static_cast<size_t>(kind)]; }

 private:
  std::array<Histogram, kOpKinds> histograms_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_IO_LATENCIES_H_
