// Memory of the emulated device, and pinned memory of the host.
#ifndef HYPERGLOW_MEMORY_H
#define HYPERGLOW_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>

namespace emu::memory {

using Blocks = std::map<uintptr_t, size_t>;
extern Blocks device_blocks, pinned_blocks;

size_t total();
size_t free_bytes();
// Filled with 0xff; nullptr where the device has no room.
void *allocate(size_t bytes);
// Whether `at` is the start of a live block, which is free afterwards.
bool release(uint64_t at);
// Whether the range lies in one live block.
bool is_device(uint64_t at, size_t bytes);
bool is_pinned(const void *at, size_t bytes);

} // namespace emu::memory

#endif
