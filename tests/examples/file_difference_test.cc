#include "examples/file_copy/file_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "examples/file_copy/data_extents.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FileDifferenceTest : public testing::Test {
 protected:
  std::string Make(const std::string& name, const std::string& content) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string MakeHole(const std::string& name, uint64_t bytes) {
    const std::string path = Make(name, "");
    std::filesystem::resize_file(path, bytes);
    return path;
  }
  static std::string Difference(const std::string& a, const std::string& b) {
    const auto difference = FileDifference(a, b);
    EXPECT_TRUE(difference.ok()) << difference.status();
    return difference.ok() ? *difference : "?";
  }

  TempDirectory directory_;
};

TEST_F(FileDifferenceTest, SameBytesAreNoDifference) {
  const std::string content(3'000'001, 'x');
  EXPECT_EQ(Difference(Make("a", content), Make("b", content)), "");
  EXPECT_EQ(Difference(Make("c", ""), Make("d", "")), "");
}

TEST_F(FileDifferenceTest, EachDifferentByteIsFound) {
  const std::string content(2'500'000, 'x');
  for (const size_t at : {size_t{0}, size_t{4096}, size_t{1 << 20}, size_t{2'499'999}}) {
    std::string other = content;
    other[at] = 'y';
    EXPECT_THAT(Difference(Make("a", content), Make("b", other)),
                HasSubstr("at offset " + std::to_string(at)));
  }
}

TEST_F(FileDifferenceTest, OtherSizeIsADifference) {
  EXPECT_THAT(Difference(Make("a", "12345"), Make("b", "1234567")), HasSubstr("has 5 bytes"));
}

TEST_F(FileDifferenceTest, HoleIsAsGoodAsZerosAndNotAsGoodAsData) {
  const std::string hole = MakeHole("hole", 100'000);
  EXPECT_EQ(Difference(hole, Make("zeros", std::string(100'000, '\0'))), "");
  std::string data(100'000, '\0');
  data[70'000] = 1;
  EXPECT_THAT(Difference(hole, Make("data", data)), HasSubstr("at offset 70000"));
}

TEST_F(FileDifferenceTest, MissingFileIsAnError) {
  EXPECT_FALSE(FileDifference(directory_.path() + "/no", Make("a", "")).ok());
}

TEST_F(FileDifferenceTest, ExtentsAreBlocksApartFromOneAnother) {
  const std::string path = MakeHole("sparse", 1 << 20);
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(10'000) << "data";
    file.seekp(500'000) << "data";
  }
  const auto file = FileSystem::Host().Open(path, {});
  ASSERT_TRUE(file.ok());
  const auto extents = FindDataExtents(*file);
  ASSERT_TRUE(extents.ok());
  EXPECT_THAT(*extents, ElementsAre(DataExtent{8192, 12288}, DataExtent{499'712, 503'808}));
  EXPECT_EQ(TotalBytes(*extents), 8192u);
  EXPECT_THAT(Union(*extents, {{12288, 16384}}),
              ElementsAre(DataExtent{8192, 16384}, DataExtent{499'712, 503'808}));
  EXPECT_THAT(Union({}, {}), IsEmpty());
}

}  // namespace
}  // namespace corewal
