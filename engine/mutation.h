// engine/mutation.h: deliberately broken variants of the engine, which prove that its simulation
// has teeth.
//
// Only a build with COREWAL_ENGINE_MUTATIONS defined has them, and there one at a time is switched
// on. Everywhere else Mutated() is the constant false: no code, no symbol. Thread: any; SetMutation
// before everything else.
#ifndef COREWAL_ENGINE_MUTATION_H_
#define COREWAL_ENGINE_MUTATION_H_

#include <cstdint>

namespace corewal {

enum class EngineMutation : uint8_t {
  kNone,
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

#ifdef COREWAL_ENGINE_MUTATIONS
inline EngineMutation active_engine_mutation = EngineMutation::kNone;
inline void SetMutation(EngineMutation mutation) { active_engine_mutation = mutation; }
inline bool Mutated(EngineMutation mutation) { return active_engine_mutation == mutation; }
#else
constexpr bool Mutated(EngineMutation) { return false; }
#endif

}  // namespace corewal

#endif  // COREWAL_ENGINE_MUTATION_H_
