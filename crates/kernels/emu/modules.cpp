// A text whose first line is `// source-sha256: <hash>` is PTX of one of our .cu files: its kernels are compiled in, if this driver
// was built from the same source. Any other text goes to an interpreter, the library that EMU_PTX names, which offers:
//   void *ptx_load(const char *text, char *error, size_t error_bytes)          nullptr: refused
//   int ptx_parameters(void *module, const char *name, size_t *sizes, int max)  the number of parameters, -1: no such kernel
//   int ptx_launch(void *module, const char *name, const unsigned grid[3], const unsigned block[3], size_t shared, void **args,
//                  const uint64_t (*blocks)[2], size_t block_count, char *error, size_t error_bytes)   0: done
// where `blocks` are the live blocks of device memory, each with its address and bytes: no other address is valid.
//   void ptx_unload(void *module)
#include "modules.h"
#include "memory.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace emu {
namespace {

struct Interpreter {
    void *(*load)(const char *, char *, size_t) = nullptr;
    int (*parameters)(void *, const char *, size_t *, int) = nullptr;
    int (*launch)(void *, const char *, const unsigned *, const unsigned *, size_t, void **, const uint64_t (*)[2], size_t,
                  char *, size_t) = nullptr;
    void (*unload)(void *) = nullptr;

    Interpreter() {
        const char *path = getenv("EMU_PTX");
        void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
        if (!library) {
            if (path) {
                fprintf(stderr, "CUDA emulation: EMU_PTX=%s: %s\n", path, dlerror());
            }
            return;
        }
        auto bind = [&](auto &function, const char *name) {
            function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
        };
        bind(load, "ptx_load");
        bind(parameters, "ptx_parameters");
        bind(launch, "ptx_launch");
        bind(unload, "ptx_unload");
    }
    bool is_whole() const { return load && parameters && launch && unload; }
};

Interpreter &interpreter() {
    static Interpreter one;
    return one;
}

} // namespace

Module::~Module() {
    if (interpreted) {
        interpreter().unload(interpreted);
    }
}

Result load_module(const char *text, std::unique_ptr<Module> &module) {
    static const char mark[] = "// source-sha256: ";
    module = std::make_unique<Module>();
    if (std::strncmp(text, mark, sizeof mark - 1) == 0) {
        const char *hash = text + sizeof mark - 1;
        module->source = std::string(hash, std::strcspn(hash, "\r\n"));
        if (has_source(module->source)) {
            return SUCCESS;
        }
        fprintf(stderr, "CUDA emulation: the driver was built from other sources than the PTX %s: run emu/build.sh\n",
                module->source.c_str());
        return INVALID_PTX;
    }
    if (!interpreter().is_whole()) {
        fprintf(stderr, "CUDA emulation: no interpreter for PTX text; EMU_PTX names its library\n");
        return INVALID_PTX;
    }
    char error[1024] = "";
    module->interpreted = interpreter().load(text, error, sizeof error);
    if (!module->interpreted) {
        fprintf(stderr, "CUDA emulation: %s\n", error);
        return INVALID_PTX;
    }
    return SUCCESS;
}

Result find_function(Module &module, const char *name, Function *&function) {
    for (auto &known : module.functions) {
        if (known->name == name) {
            function = known.get();
            return SUCCESS;
        }
    }
    auto found = std::make_unique<Function>();
    found->name = name;
    if (module.interpreted) {
        size_t sizes[256];
        int count = interpreter().parameters(module.interpreted, name, sizes, 256);
        if (count < 0 || count > 256) {
            return NOT_FOUND;
        }
        found->sizes.assign(sizes, sizes + count);
        found->interpreted = module.interpreted;
    } else {
        found->kernel = find_kernel(module.source, name);
        if (!found->kernel) {
            return NOT_FOUND;
        }
        found->sizes.assign(found->kernel->sizes, found->kernel->sizes + found->kernel->count);
    }
    function = found.get();
    module.functions.push_back(std::move(found));
    return SUCCESS;
}

void run_function(const Function &function, Dim grid, Dim block, size_t shared, void **arguments) {
    if (function.kernel) {
        const Kernel &kernel = *function.kernel;
        run_grid(kernel.name, grid, block, shared, [&] { kernel.call(arguments); });
        return;
    }
    char error[1024] = "";
    const unsigned grids[3] = {grid.x, grid.y, grid.z}, blocks[3] = {block.x, block.y, block.z};
    std::vector<std::array<uint64_t, 2>> live;
    for (const auto &[start, bytes] : memory::device_blocks) {
        live.push_back({start, bytes});
    }
    auto *addresses = reinterpret_cast<const uint64_t(*)[2]>(live.data());
    if (interpreter().launch(function.interpreted, function.name.c_str(), grids, blocks, shared, arguments, addresses,
                             live.size(), error, sizeof error)) {
        position = {};
        fail("%s: %s", function.name.c_str(), error);
    }
}

} // namespace emu
