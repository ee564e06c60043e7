// base/asan_poison.h: ASAN_POISON_MEMORY_REGION and ASAN_UNPOISON_MEMORY_REGION, which are nothing
// without AddressSanitizer.
//
// A forked child inherits what is marked, and not the mappings that are kept from it: memory that
// is mapped there anew is to be unmarked first.
#ifndef COREWAL_BASE_ASAN_POISON_H_
#define COREWAL_BASE_ASAN_POISON_H_

#if defined(__SANITIZE_ADDRESS__)
#define COREWAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COREWAL_ASAN 1
#endif
#endif

#ifdef COREWAL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

#endif  // COREWAL_BASE_ASAN_POISON_H_
