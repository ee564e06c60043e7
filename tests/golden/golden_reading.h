// tests/golden/golden_reading.h: a log as text: one line for each record, one for the end.
#ifndef COREWAL_TESTS_GOLDEN_GOLDEN_READING_H_
#define COREWAL_TESTS_GOLDEN_GOLDEN_READING_H_

#include <string>

#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"

namespace corewal {

// What a reader makes of the segments in `directory`, and what recovery says of their end.
std::string GoldenReading(FileSystem& files, StorageIo& io, const std::string& directory);

}  // namespace corewal

#endif  // COREWAL_TESTS_GOLDEN_GOLDEN_READING_H_
