// The file `state`: what was written is read again, and what was damaged is not believed.
#include "engine/engine_state.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/crc32c.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

EngineState FullState() {
  EngineState state;
  state.epochs = {Epoch(17), Epoch(19), 4};
  state.atomic = true;
  state.floors = {{0, Lsn(81920)}, {3, Lsn(4096)}};
  state.hidden = {{1, Lsn(40964)}, {1, Lsn(40999)}, {2, Lsn(5)}};
  state.checkpoints = {{0, Lsn(77824)}};
  return state;
}

// With the CRC that belongs to it.
std::string Sealed(const std::string& lines) {
  const std::string text = absl::StrCat("corewal state\n", lines);
  return absl::StrCat(text, absl::StrFormat("crc %08x\n", Crc32c(BytesOf(text))));
}

bool IsDamaged(const std::string& text) {
  return absl::IsDataLoss(EngineState::Decode(text).status());
}

TEST(EngineStateTest, WhatIsWrittenIsReadAgain) {
  for (const EngineState& state : {EngineState{}, FullState()}) {
    const absl::StatusOr<EngineState> read = EngineState::Decode(state.Encode());
    ASSERT_OK(read.status());
    EXPECT_EQ(*read, state);
  }
}

TEST(EngineStateTest, UnknownKeysAreIgnored) {
  const absl::StatusOr<EngineState> read =
      EngineState::Decode(Sealed("later 1 2 3\nfloor 2 4096\nfloor 2\nbudget none\natomic 1\n"));
  ASSERT_OK(read.status());
  EngineState expected;
  expected.atomic = true;
  expected.floors[2] = Lsn(4096);
  EXPECT_EQ(*read, expected);
}

TEST(EngineStateTest, EveryCutAndEveryFlippedBitIsNoticed) {
  const std::string text = FullState().Encode();
  // Without its last newline the file still says all.
  for (size_t length = 0; length + 1 < text.size(); ++length) {
    EXPECT_TRUE(IsDamaged(text.substr(0, length))) << length;
  }
  for (size_t i = 0; i < text.size() * 8; ++i) {
    std::string flipped = text;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    const absl::StatusOr<EngineState> read = EngineState::Decode(flipped);
    // The last newline may be anything that still ends the CRC.
    EXPECT_TRUE(absl::IsDataLoss(read.status()) || *read == FullState()) << i;
  }
}

TEST(EngineStateTest, NumbersThatNoEngineWritesAreRefused) {
  EXPECT_TRUE(IsDamaged(Sealed("epochs 18446744073709551615 0 1\n")));
  EXPECT_TRUE(IsDamaged(Sealed("epochs 0 18446744073709551615 1\n")));
  EXPECT_TRUE(IsDamaged(Sealed("epochs 1 1 0\n")));
  EXPECT_TRUE(IsDamaged(Sealed("epochs 1 1 1025\n")));
  const absl::StatusOr<EngineState> read =
      EngineState::Decode(Sealed("epochs -1 2 3\nfloor 4294967297 5\nhidden 99999999999 1\n"));
  ASSERT_OK(read.status());
  EXPECT_EQ(*read, EngineState{}) << "no such shards, and no number";
}

class DamagedStateTest : public EngineTest {
 protected:
  std::string path() const { return absl::StrCat(directory(), "/", kEngineStateFileName); }
  void WriteState(const std::string& text) const { std::ofstream(path()) << text; }
};

TEST_P(DamagedStateTest, EngineRefusesToOpenAndNamesTheFile) {
  Open(options(2));
  ASSERT_OK(engine().Barrier(absl::Seconds(60)).status());
  Close();
  std::string text;
  std::getline(std::ifstream(path()), text, '\0');
  ASSERT_OK(EngineState::Decode(text).status());
  for (const std::string& damaged : {std::string("nonsense"), text.substr(0, text.size() / 2),
                                     std::string(), Sealed("epochs 18446744073709551615 0 2\n")}) {
    WriteState(damaged);
    const absl::Status refused = Engine::Open(options(2)).status();
    EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
    EXPECT_NE(refused.message().find(path()), absl::string_view::npos) << refused;
  }
  WriteState(text);
  Open(options(2));
  EXPECT_EQ(engine().recovered_epoch(), Epoch(1));
}

INSTANTIATE_TEST_SUITE_P(Backends, DamagedStateTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
