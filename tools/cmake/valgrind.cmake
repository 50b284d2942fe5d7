# cmake -C tools/cmake/valgrind.cmake -B build/valgrind -G Ninja: the debug build; its C tests run under valgrind.
include("${CMAKE_CURRENT_LIST_DIR}/debug.cmake")
set(VT_UNDER_VALGRIND ON CACHE BOOL "")
