// examples/common/partition.h: which shard a key belongs to, the same in every build and for ever.
//
// Order is per shard, so all changes of a key are in one log, and the hash is a part of the data:
// std::hash and absl::Hash, which may differ from one process to the next, will not do.
#ifndef COREWAL_EXAMPLES_COMMON_PARTITION_H_
#define COREWAL_EXAMPLES_COMMON_PARTITION_H_

#include <cstdint>
#include <string_view>

namespace examples {

// 0 .. partitions - 1, which is at least 1. FNV-1a takes the bytes in, but spreads short keys
// badly; MurmurHash3's last step mixes every bit into every other.
inline uint32_t PartitionOf(std::string_view key, uint32_t partitions) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return static_cast<uint32_t>((hash ^ (hash >> 33)) % partitions);
}

}  // namespace examples

#endif  // COREWAL_EXAMPLES_COMMON_PARTITION_H_
