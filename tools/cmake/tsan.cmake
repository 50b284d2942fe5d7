# cmake -C tools/cmake/tsan.cmake -B build/tsan -G Ninja: ThreadSanitizer.
include("${CMAKE_CURRENT_LIST_DIR}/debug.cmake")
set(VT_SANITIZE "thread" CACHE STRING "")
