// Runs one planted kernel: 2 blocks of 64 threads with as many ints of shared memory, and checks nothing but that it ends.
#include "fibers.h"

#include <cstdio>
#include <vector>

int main(int count, char **arguments) {
    const emu::Kernel *kernel = count == 2 ? emu::find_kernel(EMU_SOURCE, arguments[1]) : nullptr;
    if (!kernel) {
        fprintf(stderr, "usage: planted KERNEL\n");
        return 2;
    }
    std::vector<int> out(128, -1);
    out.shrink_to_fit();
    int *start = out.data();
    void *args[] = {&start};
    emu::run_grid(kernel->name, {2, 1, 1}, {64, 1, 1}, 64 * sizeof(int), [&] { kernel->call(args); });
    return 0;
}
