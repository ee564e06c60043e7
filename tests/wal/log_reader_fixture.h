// tests/wal/log_reader_fixture.h: a log in the making, and where it is read.
#ifndef COREWAL_TESTS_WAL_LOG_READER_FIXTURE_H_
#define COREWAL_TESTS_WAL_LOG_READER_FIXTURE_H_

#include <string>

#include "gtest/gtest.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/log_fixture.h"

namespace corewal {

class LogReaderTest : public ::testing::Test {
 protected:
  void Fill(const std::string& name, int batches = 3) {
    for (int i = 0; i < batches; ++i) log_.AddBatch({name + std::to_string(i)});
  }
  LogFixture fixture_;
  LogBuilder log_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_LOG_READER_FIXTURE_H_
