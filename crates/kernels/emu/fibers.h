// Running a grid, and what the race checker is told about it.
#ifndef HYPERGLOW_FIBERS_H
#define HYPERGLOW_FIBERS_H

#include "cuda_emu.h"

#include <functional>
#include <string>

namespace emu {

// Runs every block of a grid, one after the other, in the calling thread. `call` is run by every thread of the grid.
void run_grid(const char *name, Dim grid, Dim block, size_t shared_bytes, const std::function<void()> &call);

// The kernels compiled in from the source with this SHA-256; nullptr if there is none of this name.
const Kernel *find_kernel(const std::string &source, const std::string &name);
bool has_source(const std::string &source);

// Hooks of racecheck.cpp; they do nothing in the other builds.
namespace race {
void begin_grid(const char *name);
void begin_block(const void *shared, size_t bytes);
void end_block();
void switched(unsigned block, unsigned thread, unsigned barriers, unsigned meetings, const char *stack, size_t stack_bytes);
void atomic_access(const void *address, size_t bytes);
} // namespace race

} // namespace emu

#endif
