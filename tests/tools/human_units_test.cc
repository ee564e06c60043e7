#include "tools/human_units.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tools/json_object.h"

namespace corewal {
namespace {

TEST(HumanUnitsTest, NumbersKeepThreeDigitsAndGetAUnit) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1234567), "1 234 567");
  EXPECT_EQ(HumanRate(0.5), "0.50");
  EXPECT_EQ(HumanRate(7882.4), "7 882");
  EXPECT_EQ(HumanRate(12'345'678), "12.3 M");
  EXPECT_EQ(HumanMicros(0.03), "30.0 ns");
  EXPECT_EQ(HumanMicros(118.2), "118 us");
  EXPECT_EQ(HumanMicros(999.6), "1.00 ms");
  EXPECT_EQ(HumanMicros(2'140'000), "2.14 s");
  EXPECT_EQ(HumanMbPerS(1.008), "1.01 MB/s");
  EXPECT_EQ(HumanMbPerS(2310.2), "2 310 MB/s");
  EXPECT_EQ(HumanBytes(1), "1 byte");
  EXPECT_EQ(HumanBytes(4096), "4 KiB");
  EXPECT_EQ(HumanBytes(3ull << 29), "1.50 GiB");
  EXPECT_EQ(HumanSeconds(0.314), "0.31 s");
  EXPECT_EQ(HumanSeconds(200), "3 min 20 s");
}

TEST(JsonObjectTest, KeepsTheOrderEscapesAndWritesNullForWhatIsAbsent) {
  EXPECT_EQ(JsonObject()
                .Put("b", "x\"\\\n\x7f")
                .Put("a", uint64_t{1})
                .Put("t", true)
                .Put("n", std::optional<double>())
                .Put("s", std::optional<std::string>("y"))
                .ToString(),
            R"({"b": "x\"\\\u000a\u007f", "a": 1, "t": true, "n": null, "s": "y"})");
}

TEST(JsonObjectTest, NumbersAreJsonNumbers) {
  EXPECT_EQ(JsonObject().Put("x", 0.25).Put("y", 12345678.9).Put("z", 1e-7).ToString(),
            R"({"x": 0.25, "y": 12345679, "z": 1e-07})");
  EXPECT_EQ(JsonObject().Put("x", std::nan("")).Put("y", HUGE_VAL).ToString(),
            R"({"x": null, "y": null})");
}

}  // namespace
}  // namespace corewal
