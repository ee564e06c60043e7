#include "tests/tools/wal_bench_fixture.h"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/tools/run_program.h"

namespace corewal {

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string JsonValue(const std::string& json, const std::string& key) {
  const std::string quoted = "\"" + key + "\": ";
  const size_t at = json.find(quoted);
  if (at == std::string::npos) return "absent";
  const size_t begin = at + quoted.size();
  return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

std::string WalBenchFixture::Tool(const std::string& name) { return ProgramPath("tools/" + name); }

Ended WalBenchFixture::Shell(const std::string& command) {
  const std::string out = root() + "/out", err = root() + "/err";
  const int status =
      std::system(("cd " + root() + " && { " + command + "; } >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadWholeFile(out), ReadWholeFile(err)};
}

std::string WalBenchFixture::Input(const std::string& content) {
  std::ofstream(root() + "/input", std::ios::binary) << content;
  return root() + "/input";
}

}  // namespace corewal
