#!/usr/bin/env bash
# Builds the emulated driver: target/emu/{fast,asan,race}/libcuda.so, from the kernels in cu/; with names, only these builds. With
# `check`, then runs the planted bugs: each must be found by its build, and its correct twin by none.
set -euo pipefail
cd "$(dirname "$0")"
out="$(cd ../../.. && pwd)/target/emu"
common=(-std=c++17 -fPIC -pthread -fvisibility=hidden -ffp-contract=off -Wall -Wextra -Wno-unused-function -I. -I../cu -DEMU)
host=(fibers.cpp memory.cpp modules.cpp driver.cpp)

flags() {
    case "$1" in
    fast) echo "-O2 -march=x86-64-v3" ;;
    asan) echo "-g -O1 -fsanitize=address -fno-omit-frame-pointer" ;;
    race) echo "-g -O1 -DEMU_RACE" ;;
    esac
}
# The race checker sees the kernels alone.
kernel_flags() { if [ "$1" = race ]; then echo "$(flags race) -fsanitize=thread"; else flags "$1"; fi; }
hash_of() { cat ../cu/compat.h ../cu/tiles.h ../cu/windows.h "$1" | sha256sum | cut -d' ' -f1; }

# One object per source, made again when a source is newer.
newer() { [ ! -e "$1" ] || [ -n "$(find . ../cu -newer "$1" -type f -print -quit)" ]; }
build() {
    local kind="$1" dir="$out/$1" objects=() jobs=()
    newer "$dir/libcuda.so" || return 0
    mkdir -p "$dir"
    for source in ../cu/*.cu; do
        local object="$dir/$(basename "$source" .cu).o"
        # shellcheck disable=SC2046
        g++ "${common[@]}" $(kernel_flags "$kind") -DEMU_SOURCE="\"$(hash_of "$source")\"" -x c++ -c "$source" -o "$object" &
        jobs+=($!)
        objects+=("$object")
    done
    for job in "${jobs[@]}"; do wait "$job"; done
    local extra=()
    [ "$kind" = race ] && extra+=(racecheck.cpp)
    # shellcheck disable=SC2046
    g++ "${common[@]}" $(flags "$kind") -shared "${host[@]}" "${extra[@]}" "${objects[@]}" -ldl -o "$dir/libcuda.so"
}
planted() {
    local kind="$1" dir="$out/$1" extra=()
    [ "$kind" = race ] && extra+=(racecheck.cpp)
    local define=(-DEMU_SOURCE='"planted"')
    mkdir -p "$dir"
    # shellcheck disable=SC2046
    g++ "${common[@]}" $(kernel_flags "$kind") "${define[@]}" -x c++ -c planted.cu -o "$dir/planted.o"
    # shellcheck disable=SC2046
    g++ "${common[@]}" $(flags "$kind") "${define[@]}" planted.cpp fibers.cpp "${extra[@]}" "$dir/planted.o" -ldl -o "$dir/planted"
    local failed=0
    for name in $(sed -n 's/^EMU_EXPORT(\(.*\))/\1/p' planted.cu); do
        local found=0
        ASAN_OPTIONS=detect_leaks=0 "$dir/planted" "$name" 2>"$dir/planted.log" || found=1
        local wanted=0
        case "$name" in "$kind"_* | every_*) wanted=1 ;; esac
        case "$name" in
        fine_*) [ $found = 0 ] || { echo "$kind: $name was reported:"; cat "$dir/planted.log"; failed=1; } ;;
        *) [ $wanted = 0 ] || [ $found = 1 ] || { echo "$kind: $name was not found"; failed=1; } ;;
        esac
    done
    return $failed
}

all=(fast asan race) kinds=()
for argument in "$@"; do case "$argument" in fast | asan | race) kinds+=("$argument") ;; esac; done
[ ${#kinds[@]} -gt 0 ] || kinds=("${all[@]}")
for kind in "${kinds[@]}"; do build "$kind"; done
if [ $# -gt 0 ] && [ "${!#}" = check ]; then
    for kind in "${all[@]}"; do planted "$kind"; done
    echo "every planted bug was found, and no correct twin reported"
fi
