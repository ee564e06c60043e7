// Every input that is worth keeping, and some that are no input at all, through what the fuzzers
// run. What a fuzzer finds is added to the corpus and stays.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/seeded_random.h"
#include "tests/fuzz/hostile_log.h"
#include "tests/fuzz/targets.h"

namespace corewal {
namespace {

// wal-dump prints what it finds, which is nothing to read here.
class QuietStdout {
 public:
  QuietStdout() : kept_(dup(STDOUT_FILENO)) {
    fflush(stdout);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    close(null);
  }
  ~QuietStdout() {
    fflush(stdout);
    dup2(kept_, STDOUT_FILENO);
    close(kept_);
  }

 private:
  const int kept_;
};

std::vector<std::string> Corpus(const std::string& name) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + name)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

FuzzInput InputOf(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// The file, cuts of it, and the file with some bytes changed.
template <typename Target>
void RunVariants(const std::string& bytes, int variants, Target target) {
  target(InputOf(bytes));
  SeededRandom random(bytes.size());
  for (int i = 0; i < variants && !bytes.empty(); ++i) {
    std::string changed = bytes.substr(0, i % 4 == 0 ? random.Below(bytes.size()) : bytes.size());
    for (uint64_t n = random.Below(4); n > 0 && !changed.empty(); --n) {
      changed[random.Below(changed.size())] = static_cast<char>(random.Next());
    }
    target(InputOf(changed));
  }
}

TEST(FuzzCorpusTest, BatchDecoder) {
  const std::vector<std::string> corpus = Corpus("batch");
  ASSERT_GT(corpus.size(), 5u);
  for (const std::string& path : corpus) {
    SCOPED_TRACE(path);
    RunVariants(ReadFile(path), 200, FuzzBatch);
  }
}

TEST(FuzzCorpusTest, ReaderRecoveryAndWriter) {
  const std::vector<std::string> corpus = Corpus("log");
  ASSERT_GT(corpus.size(), 10u);
  for (const std::string& path : corpus) {
    SCOPED_TRACE(path);
    RunVariants(ReadFile(path), 20, FuzzLog);
  }
}

TEST(FuzzCorpusTest, WalDump) {
  const QuietStdout quiet;
  for (const std::string& path : Corpus("log")) {
    const std::string bytes = ReadFile(path);
    for (const int mode : {0, 1, 2, 3, 4, 5, 0x0d, 0x25, 0x45, 0x88}) {
      std::string with_mode = bytes;
      if (!with_mode.empty()) with_mode[0] = static_cast<char>(mode);
      FuzzDump(InputOf(with_mode));
    }
  }
}

TEST(HostileLogTest, EncodesToWhatItParses) {
  for (const std::string& path : Corpus("log")) {
    const HostileLog log = HostileLog::Parse(InputOf(ReadFile(path)));
    const HostileLog again = HostileLog::Parse(InputOf(log.Encode()));
    EXPECT_EQ(log.mode, again.mode) << path;
    EXPECT_TRUE(log.files == again.files) << path;
  }
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  return RUN_ALL_TESTS();
}
