// Memory of the emulated device, and pinned memory of the host. Every address of a copy is looked up among the live allocations.
#include "memory.h"

#include <cstdlib>
#include <cstring>

namespace emu::memory {
namespace {

size_t used = 0;

const Blocks::value_type *containing(const Blocks &blocks, uintptr_t at, size_t bytes) {
    auto next = blocks.upper_bound(at);
    if (next == blocks.begin()) {
        return nullptr;
    }
    auto &block = *--next;
    return at - block.first <= block.second && bytes <= block.second - (at - block.first) ? &block : nullptr;
}

} // namespace

Blocks device_blocks, pinned_blocks;

size_t total() {
    const char *given = getenv("EMU_MEMORY");
    return given ? strtoull(given, nullptr, 10) : size_t(1) << 30;
}

size_t free_bytes() { return total() - used; }

void *allocate(size_t bytes) {
    if (bytes == 0 || bytes > free_bytes()) {
        return nullptr;
    }
    void *block = nullptr;
    if (posix_memalign(&block, 256, bytes)) {
        return nullptr;
    }
    // NaN, or the index -1: what nobody has written shows.
    std::memset(block, 0xff, bytes);
    device_blocks[reinterpret_cast<uintptr_t>(block)] = bytes;
    used += bytes;
    return block;
}

bool release(uint64_t at) {
    auto block = device_blocks.find(at);
    if (block == device_blocks.end()) {
        return false;
    }
    used -= block->second;
    device_blocks.erase(block);
    free(reinterpret_cast<void *>(at));
    return true;
}

bool is_device(uint64_t at, size_t bytes) { return containing(device_blocks, at, bytes); }
bool is_pinned(const void *at, size_t bytes) {
    return containing(pinned_blocks, reinterpret_cast<uintptr_t>(at), bytes);
}

} // namespace emu::memory
