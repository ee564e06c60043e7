// Cancel (io_backend/CONTRACT.md): the completion alone tells what became of an operation, and
// gives its buffer back.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoCancelTest : public StorageIoTest {
 protected:
  OpToken StageBlock(FileHandle file, uint64_t block, char fill, uint64_t tag) {
    const WriteOp op = {
        .file = file, .offset = FileOffset(block * kBlock), .length = kBlock, .tag = tag};
    const auto token = io().Write(op, Filled(fill, kBlock));
    EXPECT_OK(token.status());
    return token.value_or(OpToken());
  }
};

TEST_P(StorageIoCancelTest, StagedOperationNeverReachesTheFile) {
  const FileHandle file = Register(CreateFile("a"));
  const OpToken token = StageBlock(file, 0, 'x', 7);
  EXPECT_OK(io().Cancel(token));
  EXPECT_OK(io().Cancel(token)) << "complete already";
  Completion out[2];
  ASSERT_EQ(io().Poll(absl::MakeSpan(out)), 1u) << "without Submit";
  EXPECT_EQ(out[0].error, ECANCELED);
  EXPECT_EQ(out[0].tag, 7u);
  EXPECT_EQ(out[0].token, token);
  EXPECT_EQ(out[0].bytes, 0u);
  EXPECT_TRUE(AllBytesAre(out[0].buffer, 'x', kBlock)) << "the caller's again";
  EXPECT_EQ(io().in_flight(), 0u);
  EXPECT_EQ(io().stats().submitted, 0u);
  EXPECT_EQ(FileSize("a"), 0u);
}

TEST_P(StorageIoCancelTest, OthersGoOnWhenOneIsCancelled) {
  const FileHandle file = Register(CreateFile("a"));
  OpToken tokens[5];
  for (uint64_t i = 0; i < 5; ++i) tokens[i] = StageBlock(file, i, static_cast<char>('a' + i), i);
  EXPECT_OK(io().Cancel(tokens[4]));
  EXPECT_OK(io().Cancel(tokens[1]));
  std::map<uint64_t, int> errors;
  for (const Completion& completion : WaitFor(5)) errors[completion.tag] = completion.error;
  EXPECT_EQ(errors,
            (std::map<uint64_t, int>{{0, 0}, {1, ECANCELED}, {2, 0}, {3, 0}, {4, ECANCELED}}));
  const std::string content = Content("a");
  ASSERT_EQ(content.size(), 4u * kBlock);
  EXPECT_EQ(content[0], 'a');
  EXPECT_EQ(content[kBlock], '\0') << "a hole";
  EXPECT_EQ(content[2 * kBlock], 'c');
  EXPECT_EQ(content[3 * kBlock], 'd');
}

TEST_P(StorageIoCancelTest, CompleteOperationStaysAsItIs) {
  const FileHandle file = Register(CreateFile("a"));
  const OpToken token = StageBlock(file, 0, 'x', 1);
  ASSERT_OK(io().Wait(1, kNever));
  EXPECT_OK(io().Cancel(token));
  EXPECT_EQ(WaitForOne().error, 0);
  EXPECT_EQ(Content("a"), std::string(kBlock, 'x'));
}

TEST_P(StorageIoCancelTest, TokenThatNamesNothingIsNotFound) {
  const FileHandle file = Register(CreateFile("a"));
  const OpToken token = StageBlock(file, 0, 'x', 1);
  EXPECT_EQ(WaitForOne().error, 0);
  EXPECT_TRUE(absl::IsNotFound(io().Cancel(token))) << "polled";
  EXPECT_TRUE(absl::IsNotFound(io().Cancel(OpToken())));
  EXPECT_TRUE(absl::IsNotFound(io().Cancel(OpToken{UINT64_MAX})));
  const OpToken next = StageBlock(file, 0, 'y', 2);
  EXPECT_TRUE(absl::IsNotFound(io().Cancel(token))) << "the slot's next use is not meant";
  OpToken other_kind = next;
  other_kind.bits += uint64_t{1} << 56;
  EXPECT_TRUE(absl::IsNotFound(io().Cancel(other_kind)));
  EXPECT_EQ(WaitForOne().error, 0);
  EXPECT_EQ(Content("a"), std::string(kBlock, 'y'));
}

TEST_P(StorageIoCancelTest, SubmittedOperationCompletesOnceWhateverComesOfIt) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint64_t round = 0; round < 50; ++round) {
    std::vector<OpToken> tokens;
    for (uint64_t i = 0; i < 4; ++i) tokens.push_back(StageBlock(file, i, 'x', i));
    const auto sync = io().Sync({.file = file, .tag = 4});
    ASSERT_OK(sync.status());
    tokens.push_back(*sync);
    ASSERT_OK(io().Submit());
    for (size_t i = 0; i < tokens.size(); ++i) {
      if ((round >> i & 1) != 0) {
        ASSERT_OK(io().Cancel(tokens[i]));
      }
    }
    std::set<uint64_t> tags;
    for (const Completion& completion : WaitFor(5)) {
      EXPECT_TRUE(tags.insert(completion.tag).second);
      const bool asked = (round >> completion.tag & 1) != 0;
      EXPECT_TRUE(completion.error == 0 || (asked && completion.error == ECANCELED))
          << completion.error;
      EXPECT_EQ(completion.kind == OpKind::kWrite, static_cast<bool>(completion.buffer));
    }
    EXPECT_EQ(tags.size(), 5u);
    EXPECT_EQ(io().in_flight(), 0u);
  }
  EXPECT_EQ(io().stats().stale_completions, 0u);
}

TEST_P(StorageIoCancelTest, CreditComesBack) {
  StorageIoOptions limited = options();
  limited.queue_depth = 2;
  limited.file_in_flight_max = 1;
  Recreate(limited);
  const FileHandle file = Register(CreateFile("a"));
  const OpToken token = StageBlock(file, 0, 'x', 1);
  EXPECT_TRUE(absl::IsResourceExhausted(io().Sync({.file = file}).status()));
  EXPECT_OK(io().Cancel(token));
  EXPECT_OK(io().Sync({.file = file, .tag = 2}).status());
  EXPECT_TRUE(absl::IsResourceExhausted(io().Sync({.file = file}).status())) << "the queue's";
  EXPECT_EQ(WaitFor(2).size(), 2u);
  ASSERT_OK(io().UnregisterFile(file));
}

TEST_P(StorageIoCancelTest, NotifyFdTellsOfAStagedOperationThatWasCancelled) {
  const auto fd = io().notify_fd();
  ASSERT_OK(fd.status());
  const OpToken token = StageBlock(Register(CreateFile("a")), 0, 'x', 1);
  ASSERT_OK(io().Cancel(token));
  pollfd watched = {.fd = *fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&watched, 1, 0), 1);
  EXPECT_EQ(WaitForOne().error, ECANCELED);
}

TEST_P(StorageIoCancelTest, ForeignThreadIsRefused) {
  const OpToken token = StageBlock(Register(CreateFile("a")), 0, 'x', 1);
  std::thread([&] { EXPECT_TRUE(absl::IsFailedPrecondition(io().Cancel(token))); }).join();
  EXPECT_EQ(WaitForOne().error, 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoCancelTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

// An operation that would never end: a read of an empty pipe. Rings only, since posix would sleep
// in read(2).
class StorageIoCancelSilentDeviceTest : public StorageIoTest {};

TEST_P(StorageIoCancelSilentDeviceTest, BufferComesHomeWithTheCompletionAndNotBefore) {
  StorageIoOptions one = options();
  one.buffers = 1;
  Recreate(one);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const FileHandle pipe = Register(OpenFile(&FileSystem::Host(), ends[0], "pipe", {}));
  for (uint64_t round = 0; round < 20; ++round) {
    const auto token = io().Read({.file = pipe, .length = 8, .tag = round}, Filled('-', 8));
    ASSERT_OK(token.status());
    ASSERT_OK(io().Submit());
    ASSERT_OK(io().Cancel(*token));
    ASSERT_OK(io().Cancel(*token)) << "asked before";
    EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status())) << "not polled yet";
    ASSERT_OK(io().Wait(1, kNever));
    EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status())) << "not polled yet";
    Completion out[1];
    ASSERT_EQ(io().Poll(absl::MakeSpan(out)), 1u);
    EXPECT_EQ(out[0].error, ECANCELED);
    EXPECT_EQ(out[0].bytes, 0u);
    EXPECT_TRUE(out[0].buffer);
  }
  // The answer that comes too late goes to the next read, not into a buffer of before.
  ASSERT_EQ(write(ends[1], "12345678", 8), 8);
  ASSERT_OK(io().Read({.file = pipe, .length = 8}, Filled('-', 8)).status());
  EXPECT_EQ(WaitForOne().bytes, 8u);
  EXPECT_EQ(io().stats().stale_completions, 0u);
  close(ends[1]);
}

TEST_P(StorageIoCancelSilentDeviceTest, QueueFullOfSilentOperationsIsCancelledWhole) {
  StorageIoOptions full = options();
  full.queue_depth = 64;
  full.buffers = 64;
  Recreate(full);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const FileHandle pipe = Register(OpenFile(&FileSystem::Host(), ends[0], "pipe", {}));
  std::vector<OpToken> tokens;
  for (uint64_t i = 0; i < 64; ++i) {
    const auto token = io().Read({.file = pipe, .length = 8, .tag = i}, Filled('-', 8));
    ASSERT_OK(token.status());
    tokens.push_back(*token);
  }
  ASSERT_OK(io().Submit());
  for (const OpToken token : tokens) ASSERT_OK(io().Cancel(token));
  for (const Completion& completion : WaitFor(64)) EXPECT_EQ(completion.error, ECANCELED);
  ASSERT_OK(io().UnregisterFile(pipe)) << "would wait for ever";
  close(ends[1]);
}

std::vector<StorageIoSetting> Rings() {
  std::vector<StorageIoSetting> rings;
  for (StorageIoSetting setting : AllSettings()) {
    if (!setting.uring() || setting.direct != DirectMode::kOff) continue;
    setting.options.lone_operation_by_syscall = false;
    rings.push_back(setting);
  }
  return rings;
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoCancelSilentDeviceTest, testing::ValuesIn(Rings()),
                         SettingName);

}  // namespace
}  // namespace corewal
