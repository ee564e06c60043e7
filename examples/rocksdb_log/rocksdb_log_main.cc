// rocksdb_log DIR order CLIENTS            until it is killed, which you may do whenever you like
//             DIR list                     each client and the number of its orders, checked
//             DIR bench [SECONDS ROUNDS]   beside RocksDB with its own log; DIR: on the disk meant
//
// `order` answers each order with "ok CLIENT NUMBER" as soon as it is durable.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "examples/rocksdb_log/log_comparison.h"
#include "examples/rocksdb_log/order_book.h"

namespace {

absl::Status PlaceOrders(OrderBook& book, const std::string& client, uint64_t number) {
  for (;; ++number) {
    const std::string what(100 + number * 37 % 900, 'x');
    RETURN_IF_ERROR(book.Place(client, number, what));
    // One write(2), so that answers of several clients do not mix.
    std::cout << absl::StrCat("ok ", client, " ", number, "\n") << std::flush;
  }
}

absl::Status Order(const std::string& directory, int clients) {
  ASSIGN_OR_RETURN(OrderBook book, OrderBook::Open(directory));
  ASSIGN_OR_RETURN(auto totals, book.Totals());
  std::vector<std::thread> threads;
  std::vector<absl::Status> ends(static_cast<size_t>(clients));
  for (size_t i = 0; i < ends.size(); ++i) {
    const std::string client = absl::StrCat("client", i);
    threads.emplace_back([&book, &ends, i, client, next = totals[client] + 1] {
      ends[i] = PlaceOrders(book, client, next);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& end : ends) RETURN_IF_ERROR(end);
  return absl::OkStatus();
}

absl::Status List(const std::string& directory) {
  ASSIGN_OR_RETURN(OrderBook book, OrderBook::Open(directory));
  ASSIGN_OR_RETURN(const auto totals, book.Totals());
  for (const auto& [client, orders] : totals) std::cout << client << ' ' << orders << '\n';
  std::cerr << "rocksdb_log: replayed " << book.db().replayed_records() << " records\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc < 3 ? "" : argv[2];
  absl::Status status;
  if (verb == "list" && argc == 3) {
    status = List(argv[1]);
  } else if (verb == "order" && argc == 4 && std::atoi(argv[3]) > 0) {
    status = Order(argv[1], std::atoi(argv[3]));
  } else if (verb == "bench" && (argc == 3 || argc == 5)) {
    LogComparisonOptions options{.directory = argv[1]};
    if (argc == 5) options.seconds = std::atof(argv[3]);
    if (argc == 5) options.rounds = std::max(1, std::atoi(argv[4]));
    status = CompareLogs(options, stdout);
  } else {
    std::cerr << "usage: rocksdb_log DIR order CLIENTS | list | bench [SECONDS ROUNDS]\n";
    return 1;
  }
  if (!status.ok()) std::cerr << "rocksdb_log: " << status << '\n';
  return status.ok() ? 0 : 1;
}
