#include "examples/rocksdb_log/order_book.h"

#include <rocksdb/convenience.h>
#include <rocksdb/merge_operator.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace {

// As RocksDB's "uint64add" wants it: 8 bytes, little endian.
std::string Number(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string OrderKey(const std::string& client, uint64_t number) {
  return absl::StrFormat("%s/%010d", client, number);
}

absl::Status Wrong(const std::string& what) { return absl::DataLossError("order book: " + what); }

}  // namespace

absl::StatusOr<OrderBook> OrderBook::Open(const std::string& directory) {
  LoggedRocksDb::Options options;
  options.families = {"default", "orders", "totals"};
  // Small, to see flushes and truncation at work.
  options.rocksdb.write_buffer_size = 64 << 10;
  options.log_segment_bytes = 256 << 10;
  const rocksdb::Status made = rocksdb::MergeOperator::CreateFromString(
      rocksdb::ConfigOptions(), "uint64add", &options.rocksdb.merge_operator);
  if (!made.ok()) return absl::UnimplementedError(made.ToString());
  ASSIGN_OR_RETURN(auto db, LoggedRocksDb::Open(directory, options));
  return OrderBook(std::move(db));
}

absl::Status OrderBook::Place(const std::string& client, uint64_t number, const std::string& what) {
  rocksdb::WriteBatch batch;
  batch.Put(db_->family("orders"), OrderKey(client, number), what);
  batch.Merge(db_->family("totals"), client, Number(1));
  return db_->Write(std::move(batch));
}

absl::StatusOr<std::map<std::string, uint64_t>> OrderBook::Totals() const {
  std::map<std::string, uint64_t> totals;
  const auto order = db_->NewIterator(db_->family("orders"));
  for (order->SeekToFirst(); order->Valid(); order->Next()) {
    const std::string key = order->key().ToString();
    const std::string client = key.substr(0, key.find('/'));
    if (key != OrderKey(client, ++totals[client])) return Wrong("a gap before " + key);
  }
  if (!order->status().ok()) return Wrong(order->status().ToString());

  size_t clients = 0;
  const auto total = db_->NewIterator(db_->family("totals"));
  for (total->SeekToFirst(); total->Valid(); total->Next(), ++clients) {
    const std::string client = total->key().ToString();
    if (total->value() == Number(totals[client])) continue;
    return Wrong(absl::StrCat(client, " has ", totals[client], " orders and another total"));
  }
  if (!total->status().ok()) return Wrong(total->status().ToString());
  if (clients != totals.size()) return Wrong("orders without a total");
  return totals;
}
