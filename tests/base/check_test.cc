#include "base/check.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"

namespace corewal {
namespace {

TEST(CheckTest, PassesQuietlyAndEvaluatesOnce) {
  int calls = 0;
  CHECK(++calls == 1) << "not evaluated: " << ++calls;
  CHECK_OK(absl::OkStatus());
  EXPECT_EQ(calls, 1);
}

TEST(CheckDeathTest, PrintsConditionPlaceAndMessage) {
  EXPECT_DEATH(CHECK_LE(2, 1) << "because " << 7, "check_test.cc:.*2 <= 1.*because 7");
  EXPECT_DEATH(CHECK_OK(absl::DataLossError("gone")), "gone");
}

}  // namespace
}  // namespace corewal
