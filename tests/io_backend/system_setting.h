// tests/io_backend/system_setting.h: changes a file of /proc/sys or /sys for a while, and puts it
// back whatever becomes of the test.
//
//   test ------- writes, runs ------------> closes the pipe, or dies
//   guardian ---- sleeps on the pipe -----> puts back, ends
//
// The guardian is a child in a session of its own, so that what kills the test's process group does
// not kill it. A lock on the file keeps others that use this class out meanwhile, in this run and
// in others. Ends within a moment of the test; leaves nothing behind.
#ifndef COREWAL_TESTS_IO_BACKEND_SYSTEM_SETTING_H_
#define COREWAL_TESTS_IO_BACKEND_SYSTEM_SETTING_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace corewal {

class SystemSetting {
 public:
  // Waits until nobody else has it.
  explicit SystemSetting(const std::string& path) : path_(path) {
    lock_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (lock_ < 0 || flock(lock_, LOCK_EX) != 0) return;
    before_ = Read();
    int ends[2] = {-1, -1};
    if (before_.empty() || pipe2(ends, O_CLOEXEC) != 0) return;
    guardian_ = fork();
    if (guardian_ == 0) {
      setsid();
      close(ends[1]);
      char nothing;
      while (read(ends[0], &nothing, 1) > 0) {
      }
      Write(before_);
      _exit(0);
    }
    close(ends[0]);
    alive_ = ends[1];
  }
  ~SystemSetting() {
    if (alive_ >= 0) close(alive_);
    if (guardian_ > 0) waitpid(guardian_, nullptr, 0);
    if (lock_ >= 0) close(lock_);
  }
  SystemSetting(const SystemSetting&) = delete;
  SystemSetting& operator=(const SystemSetting&) = delete;

  // Its value when this was made; empty: it cannot be read.
  const std::string& before() const { return before_; }
  // Whether it has that value now.
  bool Set(const std::string& value) { return guardian_ > 0 && Write(value) && Read() == value; }

 private:
  std::string Read() const {
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    char text[64] = {};
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    while (n > 0 && text[n - 1] == '\n') --n;
    const std::string value(text, n > 0 ? static_cast<size_t>(n) : 0);
    const size_t chosen = value.find('[');  // of a list such as "always [madvise] never"
    if (chosen == std::string::npos) return value;
    return value.substr(chosen + 1, value.find(']') - chosen - 1);
  }
  bool Write(const std::string& value) const {
    const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written =
        write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
    close(fd);
    return written;
  }

  const std::string path_;
  std::string before_;
  int lock_ = -1;
  int alive_ = -1;
  pid_t guardian_ = -1;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_IO_BACKEND_SYSTEM_SETTING_H_
