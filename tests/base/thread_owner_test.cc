#include "base/thread_owner.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace corewal {
namespace {

using Caller = ThreadOwner::Caller;

int ExitCodeOf(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ThreadOwnerTest, OwnerIsAccepted) {
  const ThreadOwner owner;
  EXPECT_EQ(owner.Identify(), Caller::kOwner);
  EXPECT_TRUE(owner.Check().ok());
}

TEST(ThreadOwnerTest, AnotherThreadIsRefusedAlsoAfterTheOwnersThreadEnded) {
  std::unique_ptr<const ThreadOwner> owner;
  std::thread([&] { owner = std::make_unique<ThreadOwner>(); }).join();
  // A new thread often gets the ended one's stack and thread-local storage.
  for (int i = 0; i < 10; ++i) {
    std::thread([&] { EXPECT_EQ(owner->Identify(), Caller::kForeignThread); }).join();
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(owner->Check()));
}

TEST(ThreadOwnerTest, ForkedChildIsRefusedAndItsOwnObjectsAreNot) {
  const ThreadOwner parents;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused = parents.Identify() == Caller::kForkedChild;
    const ThreadOwner childs;
    _exit(refused && childs.Check().ok() && parents.Identify() == Caller::kForkedChild ? 0 : 1);
  }
  EXPECT_EQ(ExitCodeOf(child), 0);
  EXPECT_EQ(parents.Identify(), Caller::kOwner);
}

TEST(ThreadOwnerTest, ForkBySystemCallIsSeenToo) {
  const ThreadOwner parents;
  const auto child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0));
  ASSERT_GE(child, 0);
  if (child == 0) _exit(parents.Identify() == Caller::kForkedChild ? 0 : 1);
  EXPECT_EQ(ExitCodeOf(child), 0);
}

TEST(ThreadOwnerTest, GrandchildDiffersFromBoth) {
  const ThreadOwner parents;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const ThreadOwner childs;
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      _exit(parents.Identify() == Caller::kForkedChild && childs.Identify() == Caller::kForkedChild
                ? 0
                : 1);
    }
    int status = 0;
    waitpid(grandchild, &status, 0);
    _exit(status == 0 && childs.Check().ok() ? 0 : 1);
  }
  EXPECT_EQ(ExitCodeOf(child), 0);
}

}  // namespace
}  // namespace corewal
