#!/usr/bin/env python3
"""Writes ptx/*.ptx from cu/*.cu with NVRTC, or checks that they are what NVRTC writes.

    python3 gen_ptx.py            write ptx/
    python3 gen_ptx.py --check    compare ptx/ with what would be written; exit status 1 if they differ
    python3 gen_ptx.py --ptxas    assemble every file of ptx/ for each supported architecture

NVRTC and ptxas come from `pip install nvidia-cuda-nvrtc-cu12==12.1.105 nvidia-cuda-nvcc-cu12==12.9.86`, in an environment
outside the tree: they are tools, and no part of them is shipped. Their output for a text is the same byte for byte.
"""

import ctypes
import hashlib
import importlib.util
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OPTIONS = [b"--gpu-architecture=compute_75", b"--std=c++17", b"-default-device", b"--fmad=false"]
# In the order in which the hash of a file has them.
HEADERS = ["compat.h", "tiles.h", "windows.h"]
ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]


def wheel(package: str) -> pathlib.Path:
    """The folder of an NVIDIA wheel."""
    spec = importlib.util.find_spec(f"nvidia.{package}")
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"nvidia.{package} is not installed: see the head of {pathlib.Path(__file__).name}")
    return pathlib.Path(list(spec.submodule_search_locations)[0])


def compile_ptx(nvrtc: ctypes.CDLL, source: pathlib.Path) -> str:
    """The PTX of one file, with the hash of what it was made from as its first line."""
    texts, text = [(HERE / "cu" / name).read_bytes() for name in HEADERS], source.read_bytes()
    program = ctypes.c_void_p()
    count = len(HEADERS)
    headers, names = (ctypes.c_char_p * count)(*texts), (ctypes.c_char_p * count)(*(name.encode() for name in HEADERS))
    made = nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), count, headers, names)
    if made:
        sys.exit(f"{source.name}: nvrtcCreateProgram gives {made}")
    failed = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), (ctypes.c_char_p * len(OPTIONS))(*OPTIONS))
    size = ctypes.c_size_t()
    if failed:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(f"{source.name}:\n{log.value.decode()}")
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    digest = hashlib.sha256(b"".join(texts) + text).hexdigest()
    return f"// source-sha256: {digest}\n{ptx.value.decode()}"


def assemble() -> int:
    """Number of files that ptxas refuses."""
    ptxas, refused = wheel("cuda_nvcc") / "bin" / "ptxas", 0
    for file in sorted((HERE / "ptx").glob("*.ptx")):
        for arch in ARCHITECTURES:
            done = subprocess.run([ptxas, f"-arch=sm_{arch}", "-o", "/dev/null", file], capture_output=True, text=True)
            if done.returncode:
                refused += 1
                print(f"{file.name}, sm_{arch}: {done.stderr}", file=sys.stderr)
    return refused


def main() -> int:
    if "--ptxas" in sys.argv:
        return int(assemble() > 0)
    nvrtc = ctypes.CDLL(str(wheel("cuda_nvrtc") / "lib" / "libnvrtc.so.12"))
    stale = []
    for source in sorted((HERE / "cu").glob("*.cu")):
        target = HERE / "ptx" / f"{source.stem}.ptx"
        ptx = compile_ptx(nvrtc, source)
        if target.exists() and target.read_text() == ptx:
            continue
        stale.append(target.name)
        if "--check" not in sys.argv:
            target.write_text(ptx)
    if stale and "--check" in sys.argv:
        print(f"not what NVRTC writes: {', '.join(stale)}", file=sys.stderr)
        return 1
    print(f"{len(stale)} files written" if stale else "all files are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
