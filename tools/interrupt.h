// tools/interrupt.h: SIGINT and SIGTERM ask for an early but orderly end.
//
// The first one sets a flag and cuts short a blocking read; the second one ends the process.
#ifndef COREWAL_TOOLS_INTERRUPT_H_
#define COREWAL_TOOLS_INTERRUPT_H_

namespace corewal {

void CatchInterrupts();
bool Interrupted();

}  // namespace corewal

#endif  // COREWAL_TOOLS_INTERRUPT_H_
