// tools/embedded_shard.h: a client whose own thread runs its shard: attached at Start, closed at
// Finish.
//
//   class EmbeddedCommitClient final : public EmbeddedShard<CommitClient> { ... shard() ... };
//
// Thread: the client's.
#ifndef COREWAL_TOOLS_EMBEDDED_SHARD_H_
#define COREWAL_TOOLS_EMBEDDED_SHARD_H_

#include "engine/shard.h"
#include "tools/bench_client.h"
#include "tools/shard_setup.h"

namespace corewal {

// `Client` is a BenchClient with `options_` that has engine, feed and segments_before.
template <typename Client>
class EmbeddedShard : public Client {
 public:
  using Client::Client;

  void Start(SliceResult* result) final {
    shard_ = AttachAndPrepare(*this->options_.engine, this->options_.feed->shard(),
                              this->options_.segments_before, result);
  }
  void Finish(SliceResult* result) final { CloseAttached(shard_, result); }

 protected:
  // Between Start, if that went well, and Finish.
  Shard& shard() { return *shard_; }

 private:
  Shard* shard_ = nullptr;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_EMBEDDED_SHARD_H_
