#include "io_backend/file_system.h"

namespace corewal {

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  if (this != &other) {
    Close();
    owner_ = std::exchange(other.owner_, nullptr);
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
    facts_ = std::exchange(other.facts_, Facts());
  }
  return *this;
}

void OpenFile::Close() {
  if (fd_ >= 0) owner_->CloseFd(std::exchange(fd_, -1));
}

}  // namespace corewal
