// The engine by its path in corewal's own workspace, as Bazel's users are used to.
#include "engine/engine.h"

int main() {
  // No directory: refused, and nothing is left behind.
  return corewal::Engine::Open({}).ok() ? 1 : 0;
}
