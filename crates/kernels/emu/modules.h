// Modules: kernels compiled in, or PTX text that an interpreter runs.
#ifndef HYPERGLOW_MODULES_H
#define HYPERGLOW_MODULES_H

#include "fibers.h"
#include "driver.h"

#include <memory>
#include <string>
#include <vector>

namespace emu {

// A function of a module. Arguments are copied by their sizes.
struct Function {
    std::string name;
    std::vector<size_t> sizes;
    // A kernel compiled in, or
    const Kernel *kernel = nullptr;
    // a module of the interpreter.
    void *interpreted = nullptr;
    // Dynamic shared memory that a launch may ask for: more needs cuFuncSetAttribute.
    size_t shared_limit = 48 << 10;
};

struct Module {
    std::string source;
    void *interpreted = nullptr;
    std::vector<std::unique_ptr<Function>> functions;
    ~Module();
};

// The module of a text; an error for a text that is neither one of the committed files nor accepted by the interpreter.
Result load_module(const char *text, std::unique_ptr<Module> &module);
Result find_function(Module &module, const char *name, Function *&function);
void run_function(const Function &function, Dim grid, Dim block, size_t shared, void **arguments);

} // namespace emu

#endif
