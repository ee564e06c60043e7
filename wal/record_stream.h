// wal/record_stream.h: the record that a LogWriter is being given in parts.
//
//   kNone --Begin--> kBuffered --PieceSubmitted--> kSubmitted --End-----> kNone
//                        |                             |
//                        +--End, Cancel--> kNone       +--Cancel--> kGivenUp --> kNone
//                                                              the next segment, which begins
//                                                              another incarnation
//
// Invariant: got_bytes() <= whole_bytes(); the piece that is submitted before the end leaves at
// least one byte to come, so a record is never whole in the log before End.
// Thread: the writer's.
#ifndef COREWAL_WAL_RECORD_STREAM_H_
#define COREWAL_WAL_RECORD_STREAM_H_

#include <cstdint>

#include "base/check.h"
#include "wal/callback_queue.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

class RecordStream {
 public:
  enum class State : uint8_t {
    kNone,       // no record is open
    kBuffered,   // open, and nothing of it was submitted: it can be taken back without a trace
    kSubmitted,  // open, with pieces in the log
    kGivenUp,    // the log ends in pieces of a record that will not come
  };

  State state() const { return state_; }
  bool open() const { return state_ == State::kBuffered || state_ == State::kSubmitted; }
  bool given_up() const { return state_ == State::kGivenUp; }

  void Begin(Lsn lsn, RecordType type, Durability durability, uint64_t whole_bytes) {
    Transition(State::kBuffered);
    lsn_ = lsn;
    type_ = type;
    durability_ = durability;
    whole_bytes_ = whole_bytes;
    got_bytes_ = 0;
  }
  void Got(uint64_t bytes) {
    CHECK(open());
    CHECK_LE(bytes, missing_bytes());
    got_bytes_ += bytes;
  }
  void PieceSubmitted() {
    CHECK_GT(missing_bytes(), 0u);
    if (state_ != State::kSubmitted) Transition(State::kSubmitted);
  }
  void End() {
    CHECK_EQ(missing_bytes(), 0u);
    Transition(State::kNone);
  }
  void Cancel() { Transition(state_ == State::kSubmitted ? State::kGivenUp : State::kNone); }
  // The log goes on in a new incarnation.
  void Left() { Transition(State::kNone); }
  // The writer has failed: nothing is written any more.
  void Fail() { state_ = State::kNone; }

  // What the next piece is, which ends the record or not.
  Piece NextPiece(bool ends) const {
    if (state_ == State::kBuffered) return ends ? Piece::kWhole : Piece::kFirst;
    return ends ? Piece::kLast : Piece::kMiddle;
  }
  Lsn lsn() const { return lsn_; }  // of its first piece
  RecordType type() const { return type_; }
  Durability durability() const { return durability_; }
  uint64_t whole_bytes() const { return whole_bytes_; }
  uint64_t got_bytes() const { return got_bytes_; }
  uint64_t missing_bytes() const { return whole_bytes_ - got_bytes_; }

 private:
  void Transition(State to) {
    CHECK((state_ == State::kNone && to == State::kBuffered) ||
          (state_ == State::kBuffered && (to == State::kSubmitted || to == State::kNone)) ||
          (state_ == State::kSubmitted && (to == State::kNone || to == State::kGivenUp)) ||
          (state_ == State::kGivenUp && to == State::kNone))
        << "record at lsn " << lsn_ << ": " << static_cast<int>(state_) << " -> "
        << static_cast<int>(to);
    state_ = to;
  }

  State state_ = State::kNone;
  RecordType type_ = RecordType::kUser;
  Durability durability_ = Durability::kDurable;
  Lsn lsn_;
  uint64_t whole_bytes_ = 0;
  uint64_t got_bytes_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_RECORD_STREAM_H_
