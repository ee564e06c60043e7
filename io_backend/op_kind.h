// io_backend/op_kind.h: the kinds of operation that a StorageIo does.
#ifndef COREWAL_IO_BACKEND_OP_KIND_H_
#define COREWAL_IO_BACKEND_OP_KIND_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace corewal {

enum class OpKind : uint8_t { kWrite, kRead, kSync, kPreallocate };
constexpr size_t kOpKinds = 4;
absl::string_view OpKindName(OpKind kind);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_OP_KIND_H_
