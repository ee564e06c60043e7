// engine/atomic_record.h: a record of an atomic batch, made the user's record that it carries.
#ifndef COREWAL_ENGINE_ATOMIC_RECORD_H_
#define COREWAL_ENGINE_ATOMIC_RECORD_H_

#include "wal/batch_records.h"
#include "wal/control_record.h"
#include "wal/format.h"

namespace corewal {

// Replaces type and payload by the user's. False: it is no such record, and stays as it is.
inline bool UnwrapAtomic(RecordView* record) {
  if (record->type == RecordType::kAtomicPart) {
    const auto part = AtomicPartRecord::Decode(record->payload);
    if (!part.has_value()) return false;
    record->type = part->type;
    record->payload = part->payload;
    return true;
  }
  if (record->type == RecordType::kAtomicHome) {
    const auto home = AtomicHomeRecord::Decode(record->payload);
    if (!home.has_value()) return false;
    record->type = home->type;
    record->payload = home->payload;
    return true;
  }
  return false;
}

}  // namespace corewal

#endif  // COREWAL_ENGINE_ATOMIC_RECORD_H_
