// tools/human_units.h: numbers as people read them: "39 412", "118 us", "2.1 GB/s", "64 MiB".
#ifndef COREWAL_TOOLS_HUMAN_UNITS_H_
#define COREWAL_TOOLS_HUMAN_UNITS_H_

#include <cstdint>
#include <string>

namespace corewal {

std::string HumanCount(uint64_t count);        // "39 412"
std::string HumanRate(double per_second);      // "7 882", "12.3 M"
std::string HumanMicros(double microseconds);  // "0.81 us", "118 us", "2.14 ms", "1.02 s"
std::string HumanMbPerS(double megabytes);     // "1.01 MB/s", "2 310 MB/s"
std::string HumanBytes(uint64_t bytes);        // "4 KiB", "64 MiB", "1.5 GiB", "100 bytes"
std::string HumanSeconds(double seconds);      // "0.31 s", "12 s", "3 min 20 s"
std::string HumanRatio(double ratio);          // "0.97", "11.4", "250"

}  // namespace corewal

#endif  // COREWAL_TOOLS_HUMAN_UNITS_H_
