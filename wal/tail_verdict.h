// wal/tail_verdict.h: the recovery decision table of FORMAT.md, as a function of what a scan found.
//
// X is the place where the next batch should stand and no valid one does. A witness is a credible
// header beyond X which says that bytes beyond X were durable.
#ifndef COREWAL_WAL_TAIL_VERDICT_H_
#define COREWAL_WAL_TAIL_VERDICT_H_

#include "wal/log_end.h"

namespace corewal {

struct TailEvidence {
  enum class Witness : uint8_t { kNone, kSameSegment, kLaterSegment };
  // What the directory has under the next sequence.
  enum class Next : uint8_t {
    kAbsent,      // nothing, and nothing of this log's life behind it
    kMissing,     // nothing, but later segments of this log have started
    kNotStarted,  // a file whose header is invalid or another's
    kStarted,
  };

  bool any_started = false;        // the log has a first segment
  bool pieces_contradict = false;  // a valid batch stands at X, but breaks the order of pieces
  Witness witness = Witness::kNone;
  Next next = Next::kAbsent;
  bool file_too_short = false;  // X's file ends before its segment does, and before a batch at X
  bool batch_at_x = false;      // a header with the right LSN and incarnation stands there
  bool later_started = false;   // some later segment of this log's life
  bool last_is_seal = false;
};

struct TailVerdict {
  LogEnd end;
  const char* row;
};

inline TailVerdict DecideTail(const TailEvidence& e) {
  using Next = TailEvidence::Next;
  using Witness = TailEvidence::Witness;
  if (!e.any_started) {
    return e.witness == Witness::kNone ? TailVerdict{LogEnd::kEmpty, "E0"}
                                       : TailVerdict{LogEnd::kDamaged, "C3"};
  }
  if (e.pieces_contradict) return {LogEnd::kDamaged, "C5"};
  if (e.witness == Witness::kSameSegment) return {LogEnd::kDamaged, "C1"};
  if (e.witness == Witness::kLaterSegment) {
    if (e.next == Next::kMissing || e.file_too_short) return {LogEnd::kDamaged, "C4"};
    if (e.next == Next::kNotStarted) return {LogEnd::kDamaged, "C3"};
    return {LogEnd::kDamaged, "C2"};
  }
  if (e.later_started) return {LogEnd::kTorn, "T4"};
  if (e.batch_at_x) return {LogEnd::kTorn, "T3"};
  if (e.last_is_seal) return {LogEnd::kSealed, "T1"};
  return {LogEnd::kTorn, "T2"};
}

}  // namespace corewal

#endif  // COREWAL_WAL_TAIL_VERDICT_H_
