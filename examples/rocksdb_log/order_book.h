// examples/rocksdb_log/order_book.h: orders of clients, so that one can see what a crash left.
//
//   family "orders"   "CLIENT/0000000042" --> what was ordered
//   family "totals"   "CLIENT"            --> how many orders; each order adds 1 (Merge)
//
// An order changes both families in one batch. Were a batch lost, the orders would have a gap or be
// too few; were it applied twice, the total would be too high; were it torn, the two would differ.
// Thread: any; one client's orders one after the other.
#ifndef COREWAL_EXAMPLES_ROCKSDB_LOG_ORDER_BOOK_H_
#define COREWAL_EXAMPLES_ROCKSDB_LOG_ORDER_BOOK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "examples/rocksdb_log/logged_rocksdb.h"

class OrderBook {
 public:
  static absl::StatusOr<OrderBook> Open(const std::string& directory);

  // `number`: 1, 2, 3, ... for each client.
  absl::Status Place(const std::string& client, uint64_t number, const std::string& what);

  // The number of each client's orders. DataLoss: not all there exactly once.
  absl::StatusOr<std::map<std::string, uint64_t>> Totals() const;

  LoggedRocksDb& db() { return *db_; }

 private:
  explicit OrderBook(std::unique_ptr<LoggedRocksDb> db) : db_(std::move(db)) {}
  std::unique_ptr<LoggedRocksDb> db_;
};

#endif  // COREWAL_EXAMPLES_ROCKSDB_LOG_ORDER_BOOK_H_
