# cmake -C tools/cmake/debug.cmake -B build/debug -G Ninja: the build that the tests use, with fault hooks and test
# clock.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g" CACHE STRING "")
set(VT_FAULTS ON CACHE BOOL "")
set(VT_TEST_CLOCK ON CACHE BOOL "")
