// benchmarks/peers/record_maker.h: the records that every peer is fed with.
//
//   | sequence, 8 printable characters that sort | pseudo-random printable bytes |  NUL
//
// Printable, because one peer only takes text. Peers with keys use the first 8 bytes as the key, so
// a key costs them no extra bytes.
#ifndef COREWAL_BENCHMARKS_PEERS_RECORD_MAKER_H_
#define COREWAL_BENCHMARKS_PEERS_RECORD_MAKER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corewal::peers {

inline constexpr size_t kSequenceChars = 8;

// Thread: one maker each.
class RecordMaker {
 public:
  // `client` (below 2^12) makes the sequence numbers of two makers differ. `record_bytes` is at
  // least kSequenceChars.
  RecordMaker(size_t record_bytes, int client);

  // The next record, valid until the next call. A NUL that is no part of it follows.
  absl::string_view Next();

 private:
  std::string body_;
  uint64_t sequence_;
};

// The number that the first kSequenceChars of a record stand for.
uint64_t DecodeSequence(absl::string_view record);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RECORD_MAKER_H_
