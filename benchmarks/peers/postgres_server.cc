#include "benchmarks/peers/postgres_server.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace corewal::peers {

PostgresServer::PostgresServer(const std::string& directory, const std::string& programs)
    : directory_(directory),
      data_(directory + "/pg"),
      log_(directory + "/server.log"),
      socket_(absl::StrCat("/tmp/peerbench-postgres.", getpid())),
      programs_(programs) {
  std::error_code error;
  if (!programs_.empty()) return;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    programs_ = entry.path().string() + "/bin";
  }
  if (programs_.empty()) Die("no PostgreSQL in /usr/lib/postgresql; --opt=bin=DIR names another");
}

void PostgresServer::Run(const std::string& command) {
  const std::string user =
      geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --init-groups -- " : "";
  const std::string full = absl::StrCat("cd / && ", user, programs_, "/", command, " </dev/null >>",
                                        log_, ".tools 2>&1");
  if (system(full.c_str()) != 0) Die("failed: ", full);
}

void PostgresServer::Initialize(const std::string& settings) {
  std::filesystem::create_directories(socket_);
  if (geteuid() == 0 &&
      system(absl::StrCat("chown postgres ", directory_, " ", socket_).c_str()) != 0) {
    Die("chown postgres ", directory_, " failed");
  }
  Run(absl::StrCat("initdb -D ", data_,
                   " --no-sync -A trust -U postgres --locale=C -E UTF8 --wal-segsize=64"));
  std::ofstream file(data_ + "/postgresql.conf", std::ios::app);
  file << "listen_addresses=''\nunix_socket_directories='" << socket_ << "'\n" << settings;
}

void PostgresServer::Start() {
  Run(absl::StrCat("pg_ctl -w -t 120 -D ", data_, " -l ", log_, " start"));
}

void PostgresServer::Stop(const std::string& how) {
  Run(absl::StrCat("pg_ctl -w -D ", data_, " -m ", how, " stop"));
}

void PostgresServer::RemoveSocket() { std::filesystem::remove_all(socket_); }

std::string PostgresServer::ConnectionText() const {
  return absl::StrCat("host=", socket_, " user=postgres dbname=postgres");
}

std::string PostgresServer::RedoLine() const {
  std::stringstream text;
  text << std::ifstream(log_).rdbuf();
  const std::string all = text.str();
  const size_t done = all.rfind("redo done at ");
  return done == std::string::npos ? "" : all.substr(done);
}

std::string PostgresServer::OutputLine(const std::string& command,
                                       const std::string& line_start) const {
  FILE* const pipe = popen(absl::StrCat(programs_, "/", command, " 2>/dev/null").c_str(), "re");
  if (pipe == nullptr) return "";
  char line[512];
  std::string found;
  while (fgets(line, sizeof(line), pipe) != nullptr) {
    if (strncmp(line, line_start.c_str(), line_start.size()) == 0) found = line + line_start.size();
  }
  pclose(pipe);
  return std::string(absl::StripAsciiWhitespace(found));
}

std::string PostgresServer::MessagesInWal() const {
  const std::string from =
      OutputLine("pg_controldata " + data_, "Latest checkpoint's REDO location:");
  const std::string counts =
      OutputLine(absl::StrCat("pg_waldump -p ", data_, "/pg_wal --stats=record -s ", from),
                 "LogicalMessage/MESSAGE");
  return counts.substr(0, counts.find(' '));
}

ServerUse PostgresServer::Use() {
  std::ifstream file(data_ + "/postmaster.pid");
  long postmaster = 0;
  file >> postmaster;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const long pid = atol(entry.path().filename().c_str());
    if (pid > 0) Look(pid, postmaster);
  }
  ServerUse sum;
  for (const auto& [pid, use] : seen_) {
    sum.cpu_s += use.cpu_s;
    sum.writes += use.writes;
    sum.bytes_written += use.bytes_written;
  }
  return sum;
}

// proc(5): /proc/PID/stat, fields 3 to 15 behind the command's name; /proc/PID/io.
void PostgresServer::Look(long pid, long postmaster) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  if (!std::getline(stat, line)) return;
  std::string fields[13];
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  for (std::string& field : fields) rest >> field;
  const long parent = atol(fields[1].c_str());
  if (pid != postmaster && parent != postmaster) return;
  ServerUse& use = seen_[pid];
  use.cpu_s = (atof(fields[11].c_str()) + atof(fields[12].c_str())) /
              static_cast<double>(sysconf(_SC_CLK_TCK));
  if (pid == postmaster) return;  // the kernel adds the writes of ended children to it
  std::ifstream io(absl::StrCat("/proc/", pid, "/io"));
  uint64_t value = 0;
  for (std::string key; io >> key >> value;) {
    if (key == "syscw:") use.writes = value;
    if (key == "wchar:") use.bytes_written = value;
  }
}

}  // namespace corewal::peers
