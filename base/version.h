// base/version.h: the version that the tools print and packages carry.
#ifndef COREWAL_BASE_VERSION_H_
#define COREWAL_BASE_VERSION_H_

namespace corewal {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace corewal

#endif  // COREWAL_BASE_VERSION_H_
