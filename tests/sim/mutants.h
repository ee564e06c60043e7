// tests/sim/mutants.h: who is expected to catch which mutation of base/mutation.h, and how.
#ifndef COREWAL_TESTS_SIM_MUTANTS_H_
#define COREWAL_TESTS_SIM_MUTANTS_H_

#include <cstdint>

#include "base/mutation.h"

namespace corewal {

// What stops a broken log. Several may be possible: which comes first depends on the seed.
enum Catcher : uint8_t {
  kLost = 1,        // the oracle: something acknowledged is not there
  kWrong = 2,       // the oracle: something is there that should not be, or has changed
  kRefused = 4,     // recovery calls damaged what an honest device has kept
  kOrder = 8,       // the order of callbacks
  kInvariant = 16,  // a CHECK
  kFollower = 32,   // a follower was handed what is not durable, or was told of damage
};

struct Mutant {
  Mutation mutation;
  const char* name;
  const char* what;
  uint8_t catchers;
};

inline constexpr Mutant kMutants[] = {
    {Mutation::kSyncBeforeCqe, "sync_before_cqe",
     "`written` moves when a batch is submitted, so a datasync promises writes still in flight",
     kLost | kWrong | kRefused | kFollower},
    {Mutation::kSyncResultIgnored, "sync_result_ignored", "a failed datasync counts as done",
     kLost | kWrong | kRefused},
    {Mutation::kShortWriteIgnored, "short_write_ignored", "a short write counts as the whole",
     kLost | kWrong | kRefused | kFollower},
    {Mutation::kNoDirectorySync, "no_directory_sync", "a new segment's name is not synced",
     kLost | kRefused},
    {Mutation::kLsnNotChecked, "lsn_not_checked",
     "a batch of a recycled file's former life is believed: rule B3, and for such a batch B7, "
     "which alone would hide it",
     kWrong | kRefused},
    {Mutation::kChainNotChecked, "chain_not_checked", "rule B7: previous_crc may be anything",
     kWrong | kRefused},
    {Mutation::kBatchCrcNotChecked, "batch_crc_not_checked",
     "rule B8: a batch's header is believed without its payload", kWrong},
    {Mutation::kAckedWhenSubmitted, "acked_when_submitted",
     "the callback for durable comes when the write was submitted", kLost},
    {Mutation::kRetryAfterFailedSync, "retry_after_failed_sync",
     "a failed datasync is tried again, and the second one succeeds", kLost | kWrong | kRefused},
    {Mutation::kTornTailAppendedTo, "torn_tail_appended_to",
     "opening goes on in the last segment, behind the torn bytes", kLost | kRefused},
    {Mutation::kDamageTakenForTail, "damage_taken_for_tail",
     "no witness is looked for beyond a batch that is not valid", kLost},
    {Mutation::kCallbackOutOfOrder, "callback_out_of_order",
     "two callbacks that are due together change places", kOrder},
    {Mutation::kBufferReusedEarly, "buffer_reused_early",
     "the next batch is built in a buffer that is still being written",
     kLost | kWrong | kRefused | kFollower},
    {Mutation::kSealBetweenPieces, "seal_between_pieces",
     "a log with nothing under way seals in the middle of a record", kRefused},
    {Mutation::kSealNotAwaited, "seal_not_awaited",
     "a batch overwrites a seal whose own write has not completed",
     kLost | kRefused | kInvariant | kFollower},
    {Mutation::kWrittenWithGaps, "written_with_gaps",
     "`written` jumps over a batch that is still in flight",
     kLost | kRefused | kInvariant | kFollower},
    {Mutation::kNewestSegmentSyncedOnly, "newest_segment_synced_only",
     "after a roll the datasync goes to the newest file only",
     kLost | kWrong | kRefused | kInvariant},
    {Mutation::kRecordAckedByFirstPiece, "record_acked_by_first_piece",
     "a record over several batches counts as durable with its first one", kLost},
    {Mutation::kDurableClaimedEarly, "durable_claimed_early",
     "a batch says on disk that what is merely submitted is durable", kRefused | kFollower},
    {Mutation::kRecoveredTailNotSynced, "recovered_tail_not_synced",
     "opening does not sync what a killed process has left; read over a hole, a gap",
     kLost | kWrong | kRefused},
    {Mutation::kTruncatedTooFar, "truncated_too_far",
     "truncation takes the segment that still holds the LSN",
     kLost | kWrong | kRefused | kInvariant | kFollower},
    {Mutation::kGivenUpRecordFollowed, "given_up_record_followed",
     "behind pieces of a record that was given up the log goes on in the same incarnation",
     kRefused | kFollower},
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_MUTANTS_H_
