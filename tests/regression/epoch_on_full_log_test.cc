// A log that can take nothing more cannot record the end of an epoch either. What came behind that
// was kept waiting for it, without an answer, and Close with it.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class EpochOnFullLogTest : public EngineTest {
 protected:
  // Fills shard 0, whose files may not grow, and closes an epoch.
  void FillAndAdvance() {
    EngineOptions limited = options(2);
    limited.shard.log_bytes_max = 2 * limited.shard.segment_bytes;
    Open(limited);
    const std::string text(5'000, 'f');
    while (last_status_.ok()) {
      last_status_ = AppendOne(text);
      ++attempts_;
      ASSERT_LT(attempts_, 1000);
    }
    ASSERT_TRUE(absl::IsResourceExhausted(last_status_)) << last_status_;
    // Nothing that small fits any more: the next barrier needs a segment.
    while (AppendOne("").ok()) ASSERT_LT(++attempts_, 100'000);
    ASSERT_OK(engine().AdvanceEpoch().status());
  }
  absl::Status AppendOne(const std::string& text) {
    absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf(text));
    return future.ok() ? Answer(std::move(*future)) : future.status();
  }
  static absl::Status Answer(AppendFuture future) {
    return future.WaitFor(absl::Seconds(60)).status();
  }

  absl::Status last_status_;
  int attempts_ = 0;
};

TEST_P(EpochOnFullLogTest, AppendsOfTheNewEpochAreRefusedAndGoOnWhenThereIsRoom) {
  FillAndAdvance();
  const absl::Status refused = AppendOne("of the next epoch");
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  const std::string part = "part";
  const AtomicPart parts[] = {{ShardId{0}, BytesOf(part)}, {ShardId{1}, BytesOf(part)}};
  absl::StatusOr<AppendFuture> batch = engine().AppendAtomically(parts);
  ASSERT_OK(batch.status());
  const absl::Status batch_refused = Answer(std::move(*batch));
  EXPECT_TRUE(absl::IsResourceExhausted(batch_refused)) << batch_refused;
  ASSERT_OK(engine().TruncateBefore(ShardId{0}, engine().durable_lsn(ShardId{0})));
  const absl::StatusOr<Epoch> barrier = engine().Barrier(absl::Seconds(60));
  EXPECT_OK(barrier.status());
  AppendAndWait(0, "goes on");
  Close();
}

TEST_P(EpochOnFullLogTest, CloseEnds) {
  FillAndAdvance();
  const std::string text = "posted";
  ASSERT_OK(engine().Post(ShardId{0}, BytesOf(text)));
  const absl::Status closed = engine().Close();
  EXPECT_TRUE(absl::IsResourceExhausted(closed)) << closed;
  EXPECT_NE(closed.message().find("1 posted records were not appended"), absl::string_view::npos)
      << closed;
  engine_.reset();
  Open(options(2));
  for (const std::string& found : ReplayTexts(0)) EXPECT_NE(found, text);
}

INSTANTIATE_TEST_SUITE_P(Backends, EpochOnFullLogTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
