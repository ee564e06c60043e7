// A program of somebody else: the whole round with the installed library. Usage: program DIRECTORY
// Exits 0 if every record that it appended is replayed, in order.
#include <corewal/engine/engine.h>
#include <corewal/engine/shard.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#if !defined(FROM_SOURCE) && (defined(CHECK) || defined(DCHECK))
#error "CHECK belongs to the host, or to its glog: no installed header may define it"
#endif

namespace {

using corewal::Engine;
using corewal::EngineOptions;
using corewal::ShardId;

int Fail(const char* where, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", where, status.ToString().c_str());
  return 1;
}

absl::Span<const std::byte> Bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string Text(absl::Span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One record each way that a record can take from another thread.
absl::Status AppendFromOutside(Engine& engine) {
  absl::StatusOr<corewal::AppendFuture> first = engine.Append(ShardId{0}, Bytes("future"));
  if (!first.ok()) return first.status();
  if (absl::Status posted = engine.Post(ShardId{0}, Bytes("post")); !posted.ok()) return posted;
  absl::Status called = engine.Append(ShardId{0}, Bytes("callback"), {}, [](auto) {});
  if (!called.ok()) return called;
  if (absl::StatusOr<corewal::Lsn> lsn = first->Wait(); !lsn.ok()) return lsn.status();
  return engine.Close();
}

// The same from the thread that runs the shard; the second without a copy.
absl::Status AppendAsHost(Engine& engine) {
  absl::StatusOr<corewal::Shard*> shard = engine.AttachShard(ShardId{0});
  if (!shard.ok()) return shard.status();
  if (absl::StatusOr<corewal::Lsn> lsn = (*shard)->Append(Bytes("host")); !lsn.ok()) {
    return lsn.status();
  }
  corewal::LogWriter& writer = (*shard)->writer();
  const std::string_view text = "reserved";
  absl::StatusOr<absl::Span<std::byte>> place = writer.Reserve(static_cast<uint32_t>(text.size()));
  if (!place.ok()) return place.status();
  std::copy_n(Bytes(text).data(), text.size(), place->data());
  writer.Commit(static_cast<uint32_t>(text.size()));
  if (absl::Status durable = (*shard)->WaitDurable(); !durable.ok()) return durable;
  if (absl::Status closed = (*shard)->Close(); !closed.ok()) return closed;
  return engine.Close();
}

absl::StatusOr<std::vector<std::string>> ReplayAll(const Engine& engine) {
  auto replay = engine.Replay(ShardId{0});
  if (!replay.ok()) return replay.status();
  std::vector<std::string> records;
  corewal::RecordView record;
  while ((*replay)->Next(&record)) records.push_back(Text(record.payload));
  if (!(*replay)->status().ok()) return (*replay)->status();
  return records;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  EngineOptions options;
  options.directory = argv[1];
  options.shard.segment_bytes = 1 << 20;
  {
    auto engine = Engine::Open(options);
    if (!engine.ok()) return Fail("open", engine.status());
    if (absl::Status status = AppendFromOutside(**engine); !status.ok()) {
      return Fail("append", status);
    }
  }
  {
    options.threads = EngineOptions::Threads::kHost;
    auto engine = Engine::Open(options);
    if (!engine.ok()) return Fail("open as host", engine.status());
    if (absl::Status status = AppendAsHost(**engine); !status.ok()) return Fail("host", status);
  }
  options.threads = EngineOptions::Threads::kEngine;
  auto engine = Engine::Open(options);
  if (!engine.ok()) return Fail("open again", engine.status());
  auto records = ReplayAll(**engine);
  if (!records.ok()) return Fail("replay", records.status());
  const std::vector<std::string> expected = {"future", "post", "callback", "host", "reserved"};
  if (*records != expected) return Fail("replay", absl::DataLossError("other records"));
  const corewal::SyncMethod method = (*engine)->info(ShardId{0}).sync_method;
  std::printf("%s, %zu records\n", std::string(SyncMethodName(method)).c_str(), records->size());
  return 0;
}
