# cmake -C tools/cmake/fuzz.cmake -B build/fuzz -G Ninja: libFuzzer targets under ASan and UBSan; needs clang.
set(CMAKE_C_COMPILER clang CACHE STRING "")
include("${CMAKE_CURRENT_LIST_DIR}/debug.cmake")
set(VT_SANITIZE "address,undefined,fuzzer-no-link" CACHE STRING "")
set(VT_FUZZ ON CACHE BOOL "")
