#include "tools/device_facts.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace corewal {
namespace {

// The first line, without blanks at its end; empty if there is no such file.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\n')) line.pop_back();
  return line;
}

std::string RealPath(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) == nullptr ? "" : real;
}

std::optional<bool> Flag(const std::string& path) {
  const std::string line = FirstLine(path);
  if (line.empty()) return std::nullopt;
  return line != "0";
}

}  // namespace

DeviceFacts DeviceFacts::Of(const std::string& directory) {
  DeviceFacts facts;
  struct stat at {};
  if (stat(directory.c_str(), &at) != 0) return facts;
  std::string block =
      RealPath(absl::StrCat("/sys/dev/block/", major(at.st_dev), ":", minor(at.st_dev)));
  if (block.empty()) return facts;
  facts.name = block.substr(block.rfind('/') + 1);
  // A partition has no queue of its own; its disk is the directory above.
  if (access((block + "/queue").c_str(), F_OK) != 0) block = block.substr(0, block.rfind('/'));
  facts.model = FirstLine(block + "/device/model");
  // A virtual disk says that it rotates for want of anything better to say.
  if (facts.name.rfind("vd", 0) != 0) facts.rotational = Flag(block + "/queue/rotational");
  facts.fua = Flag(block + "/queue/fua");
  const std::string cache = FirstLine(block + "/queue/write_cache");
  if (!cache.empty()) facts.write_back_cache = cache == "write back";
  return facts;
}

std::string DeviceFacts::ToString() const {
  if (name.empty()) return "no block device known";
  std::string text = name;
  if (!model.empty()) absl::StrAppend(&text, " (", model, ")");
  if (rotational.value_or(false)) absl::StrAppend(&text, ", rotating");
  if (write_back_cache) {
    absl::StrAppend(&text, *write_back_cache ? ", write-back cache" : ", no volatile cache");
  }
  if (fua) absl::StrAppend(&text, *fua ? ", FUA" : ", no FUA");
  return text;
}

}  // namespace corewal
