// tools/device_facts.h: the block device under a directory, as sysfs(5) describes it.
#ifndef COREWAL_TOOLS_DEVICE_FACTS_H_
#define COREWAL_TOOLS_DEVICE_FACTS_H_

#include <optional>
#include <string>

namespace corewal {

struct DeviceFacts {
  std::string name;   // "nvme0n1"; empty: none is known (tmpfs, overlay, network)
  std::string model;  // "Samsung SSD 980"; may be empty
  std::optional<bool> rotational;
  std::optional<bool> write_back_cache;  // the device may lose what was not synced
  std::optional<bool> fua;               // it can write through that cache

  static DeviceFacts Of(const std::string& directory);
  // "vda, write-back cache, no FUA"
  std::string ToString() const;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_DEVICE_FACTS_H_
