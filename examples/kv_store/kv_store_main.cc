// kv_store DIR put K V | del K | get K | list | checkpoint | load
//
// `load` takes lines "put K V", "del K" and "checkpoint" from stdin and answers each with "ok N", N
// counting the lines from 1, as soon as it and all lines before it are durable. Kill it whenever
// you like.
#include <deque>
#include <iostream>
#include <sstream>

#include "examples/kv_store/kv_store.h"

namespace {

// "put K V" or "del K"; V goes to the end of the line.
std::future<absl::Status> Change(KvStore& store, const std::string& line) {
  std::istringstream words(line);
  std::string verb, key, value;
  words >> verb >> key >> std::ws;
  std::getline(words, value);
  if (verb == "put" && !key.empty()) return store.Put(key, value);
  if (verb == "del" && !key.empty()) return store.Delete(key);
  if (verb == "checkpoint") {
    return std::async(std::launch::deferred, [&store] { return store.Checkpoint(); });
  }
  return std::async(std::launch::deferred, [line] {
    return absl::InvalidArgumentError("want 'put K V' or 'del K', not '" + line + "'");
  });
}

absl::Status Load(KvStore& store) {
  std::deque<std::future<absl::Status>> started;
  uint64_t answered = 0;
  for (std::string line;;) {
    // Takes in what is at hand, but answers everything before it waits for more.
    if (started.empty() || (started.size() < 256 && std::cin.rdbuf()->in_avail() > 0)) {
      if (!std::getline(std::cin, line)) return absl::OkStatus();
      started.push_back(Change(store, line));
    } else {
      if (absl::Status done = started.front().get(); !done.ok()) return done;
      started.pop_front();
      std::cout << "ok " << ++answered << std::endl;
    }
  }
}

absl::Status Run(KvStore& store, const std::string& verb, const std::string& words) {
  if (verb == "load") return Load(store);
  if (verb == "put" || verb == "del" || verb == "checkpoint")
    return Change(store, verb + ' ' + words).get();
  if (verb == "list") {
    for (const auto& [key, value] : store.List()) std::cout << key << ' ' << value << '\n';
    return absl::OkStatus();
  }
  const std::optional<std::string> value = store.Get(words);
  if (verb != "get" || !value.has_value()) return absl::NotFoundError(verb + ' ' + words);
  std::cout << *value << '\n';
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);  // lets cin buffer, and know what is at hand
  if (argc < 3)
    std::cerr << "usage: kv_store DIR put K V | del K | get K | list | checkpoint | load\n";
  if (argc < 3) return 1;
  std::string words = argc > 3 ? argv[3] : "";
  for (int i = 4; i < argc; ++i) words += std::string(" ") + argv[i];
  const auto store = KvStore::Open(argv[1]);
  const absl::Status status = store.ok() ? Run(**store, argv[2], words) : store.status();
  if (!status.ok()) std::cerr << "kv_store: " << status << '\n';
  return status.ok() ? 0 : 1;
}
