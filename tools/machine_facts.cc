#include "tools/machine_facts.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "io_backend/file_system.h"
#include "tools/device_facts.h"
#include "tools/human_units.h"

namespace corewal {
namespace {

// proc(5), /proc/cpuinfo; not every architecture names its CPUs there.
std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "model name")) continue;
    return std::string(absl::StripAsciiWhitespace(line.substr(line.find(':') + 1)));
  }
  return "unnamed";
}

std::string NearestExisting(std::string path) {
  while (access(path.c_str(), F_OK) != 0) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    path.resize(slash == 0 ? 1 : slash);
    if (path == "/") break;
  }
  return path;
}

}  // namespace

int UsableCpus() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

std::vector<std::pair<std::string, std::string>> MachineFacts(const std::string& directory) {
  std::vector<std::pair<std::string, std::string>> facts;
  struct utsname kernel {};
  if (uname(&kernel) == 0) {
    facts.emplace_back("kernel",
                       absl::StrCat(kernel.sysname, " ", kernel.release, ", ", kernel.machine));
  }
  const int cpus = UsableCpus();
  facts.emplace_back("CPU", absl::StrCat(CpuModel(), ", ", cpus, cpus == 1 ? " CPU" : " CPUs"));
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) {
    facts.emplace_back("memory",
                       HumanBytes(static_cast<uint64_t>(memory.totalram) * memory.mem_unit));
  }
  const std::string existing = NearestExisting(directory);
  facts.emplace_back("file system", FileSystem::Host().TypeName(existing));
  facts.emplace_back("device", DeviceFacts::Of(existing).ToString());
  return facts;
}

}  // namespace corewal
