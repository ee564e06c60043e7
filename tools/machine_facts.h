// tools/machine_facts.h: the machine that a run was made on, for whoever reads the figures later.
#ifndef COREWAL_TOOLS_MACHINE_FACTS_H_
#define COREWAL_TOOLS_MACHINE_FACTS_H_

#include <string>
#include <utility>
#include <vector>

namespace corewal {

int UsableCpus();  // that this process may run on

// "kernel": "Linux 6.1.0", "CPU": "AMD EPYC, 2 usable", "device": "vda, write-back cache, no FUA",
// and so on. `directory` may not exist (any more): its nearest parent that does is looked at.
std::vector<std::pair<std::string, std::string>> MachineFacts(const std::string& directory);

}  // namespace corewal

#endif  // COREWAL_TOOLS_MACHINE_FACTS_H_
