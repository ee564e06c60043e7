#include "examples/file_copy/copy_way.h"

namespace corewal {
namespace {

constexpr CopyWay kWays[] = {
    {"read-write", CopyEngine::kReadWrite, DirectMode::kOff, false},
    {"copy-file-range", CopyEngine::kCopyFileRange, DirectMode::kOff, false},
    {"ring", CopyEngine::kRing, DirectMode::kOff, false},
    {"ring-fixed", CopyEngine::kRing, DirectMode::kOff, true},
    {"read-write-direct", CopyEngine::kReadWrite, DirectMode::kOn, false},
    {"ring-direct", CopyEngine::kRing, DirectMode::kOn, false},
    {"ring-fixed-direct", CopyEngine::kRing, DirectMode::kOn, true},
};

}  // namespace

absl::Span<const CopyWay> AllCopyWays() { return kWays; }

const CopyWay* FindCopyWay(absl::string_view name) {
  for (const CopyWay& way : kWays) {
    if (way.name == name) return &way;
  }
  return nullptr;
}

}  // namespace corewal
