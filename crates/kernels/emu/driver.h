// Types and codes of the CUDA driver interface, as far as the emulated driver has them.
#ifndef HYPERGLOW_DRIVER_H
#define HYPERGLOW_DRIVER_H

#include <cstddef>
#include <cstdint>

#define API extern "C" __attribute__((visibility("default"))) Result

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};

using DevicePointer = uint64_t;
using Device = int;

#endif
