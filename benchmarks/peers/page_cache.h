// benchmarks/peers/page_cache.h: makes reading a log cold.
#ifndef COREWAL_BENCHMARKS_PEERS_PAGE_CACHE_H_
#define COREWAL_BENCHMARKS_PEERS_PAGE_CACHE_H_

#include <string>

namespace corewal::peers {

// Asks the kernel to forget the cached pages of every file below `directory`, after a sync of each.
void DropPageCache(const std::string& directory);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_PAGE_CACHE_H_
