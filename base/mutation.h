// base/mutation.h: deliberately broken variants of the code, which prove that the tests have teeth.
//
//   if (!completion.ok() && !Mutated(Mutation::kSyncResultIgnored)) return Fail(...);
//
// Only a build with COREWAL_MUTATIONS defined has them (tests/sim/mutated.bzl), and there one at a
// time is switched on. Everywhere else Mutated() is the constant false: no code, no symbol.
// The list with what each breaks and who catches it: tests/README.md.
// Thread: any; SetMutation before everything else.
#ifndef COREWAL_BASE_MUTATION_H_
#define COREWAL_BASE_MUTATION_H_

#include <cstdint>

namespace corewal {

enum class Mutation : uint8_t {
  kNone,
  kSyncBeforeCqe,            // a datasync promises writes that are still in flight
  kSyncResultIgnored,        // a failed sync counts as done
  kShortWriteIgnored,        // a short write counts as the whole
  kNoDirectorySync,          // a new segment's name is not synced
  kLsnNotChecked,            // bytes of a recycled file's former life are believed
  kChainNotChecked,          // previous_crc may be anything
  kBatchCrcNotChecked,       // a batch's header is believed without its payload
  kAckedWhenSubmitted,       // the callback for durable comes when the write was submitted
  kRetryAfterFailedSync,     // a failed sync is tried again
  kTornTailAppendedTo,       // opening goes on in the last segment, behind the torn bytes
  kDamageTakenForTail,       // a witness beyond the damage is not looked for
  kCallbackOutOfOrder,       // two callbacks that are due together change places
  kBufferReusedEarly,        // the next batch is built in a buffer that is being written
  kSealBetweenPieces,        // a log with nothing under way seals inside a record
  kSealNotAwaited,           // a batch overwrites a seal that is still being written
  kWrittenWithGaps,          // `written` jumps over a batch that is still in flight
  kNewestSegmentSyncedOnly,  // after a roll the datasync goes to one file only
  kRecordAckedByFirstPiece,  // a record over several batches is durable with its first one
  kDurableClaimedEarly,      // a batch says that what is merely submitted is durable
  kRecoveredTailNotSynced,   // opening does not sync what a killed process has left
  kTruncatedTooFar,          // truncation takes the segment that still holds the LSN
  kGivenUpRecordFollowed,    // behind a record given up the log goes on in the same incarnation

  // The engine's.
  kAtomicAckedByHome,        // a batch is answered when its home is appended
  kIdleShardSkipsBarrier,    // a shard without records since the last barrier reports it as done
  kHomeTruncatedTooEarly,    // truncation does not first record that the batches are decided
  kIncompleteBatchReplayed,  // recovery hides nothing
  kEpochPublishedByFirst,    // an epoch is durable when the first shard is
  kBarrierBeforeMessages,    // the barrier is appended ahead of what waits in the mailbox
  kEpochTagIgnored,          // a record's producer may have seen a later epoch: nobody looks
  kPartPlaceNotChecked,      // a part counts by its LSN, whatever batch the record there is of
  kVoidEpochReused,          // an epoch cut short by a crash may still become complete
  kFloorPassesUndecided,     // the floors do not wait for batches that are under way
};

#ifdef COREWAL_MUTATIONS
inline Mutation active_mutation = Mutation::kNone;
inline void SetMutation(Mutation mutation) { active_mutation = mutation; }
inline bool Mutated(Mutation mutation) { return active_mutation == mutation; }
#else
constexpr bool Mutated(Mutation) { return false; }
#endif

}  // namespace corewal

#endif  // COREWAL_BASE_MUTATION_H_
