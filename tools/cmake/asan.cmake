# cmake -C tools/cmake/asan.cmake -B build/asan -G Ninja: AddressSanitizer and UndefinedBehaviorSanitizer.
include("${CMAKE_CURRENT_LIST_DIR}/debug.cmake")
set(VT_SANITIZE "address,undefined" CACHE STRING "")
