# Everything outside the standard library, all of it in Debian 12 (tools/packages.txt). What is missing is collected
# and named at once, with the Debian packages that hold it.
set(MESOLITH_MISSING "")
set(MESOLITH_MISSING_PACKAGES "")

# mesolith_find(DEBIAN_PACKAGE find_package arguments...)
macro(mesolith_find DEBIAN NAME)
  find_package(${NAME} ${ARGN} QUIET)
  if(NOT ${NAME}_FOUND)
    string(REPLACE ";" " " mesolith_arguments "${NAME};${ARGN}")
    list(APPEND MESOLITH_MISSING "${mesolith_arguments} (Debian: ${DEBIAN})")
    list(APPEND MESOLITH_MISSING_PACKAGES ${DEBIAN})
  endif()
endmacro()

# mesolith_find_header(DEBIAN_PACKAGE VARIABLE header): header-only, no config file
macro(mesolith_find_header DEBIAN VARIABLE HEADER)
  find_path(${VARIABLE} ${HEADER})
  if(NOT ${VARIABLE})
    list(APPEND MESOLITH_MISSING "${HEADER} (Debian: ${DEBIAN})")
    list(APPEND MESOLITH_MISSING_PACKAGES ${DEBIAN})
  endif()
endmacro()

mesolith_find(libc6-dev Threads)
mesolith_find(g++ OpenMP COMPONENTS CXX) # with clang-14: libomp-14-dev
mesolith_find(libfmt-dev fmt)
mesolith_find(libeigen3-dev Eigen3 3.4 NO_MODULE)
mesolith_find(libtomlplusplus-dev tomlplusplus 3.3)
mesolith_find(libspdlog-dev spdlog)
mesolith_find(libcli11-dev CLI11 2.1)
mesolith_find(nlohmann-json3-dev nlohmann_json 3.11)
mesolith_find(zlib1g-dev ZLIB)
mesolith_find(libssl-dev OpenSSL COMPONENTS Crypto)
mesolith_find(libboost-dev Boost 1.74)
mesolith_find(libsymspg-dev symspg)
mesolith_find(libspectra-dev spectra)
mesolith_find(libhwy-dev hwy 1.0)
mesolith_find(libfftw3-dev FFTW3)
set(HDF5_PREFER_PARALLEL OFF)
mesolith_find(libhdf5-dev HDF5 1.10 COMPONENTS C)
if(BUILD_TESTING)
  mesolith_find(catch2 Catch2)
  mesolith_find_header(librandom123-dev RANDOM123_INCLUDE_DIR Random123/philox.h)
endif()

if(MESOLITH_MISSING)
  list(JOIN MESOLITH_MISSING "\n  " lines)
  list(REMOVE_DUPLICATES MESOLITH_MISSING_PACKAGES)
  list(JOIN MESOLITH_MISSING_PACKAGES " " packages)
  message(FATAL_ERROR "mesolith needs what was not found here:\n  ${lines}\nOn Debian 12 install it with:\n"
                      "  apt-get install --no-install-recommends ${packages}\n"
                      "Elsewhere point CMAKE_PREFIX_PATH to where it lies.")
endif()

# A parallel HDF5 or one found by its own config file names its target otherwise.
if(NOT TARGET hdf5::hdf5)
  add_library(hdf5::hdf5 INTERFACE IMPORTED)
  target_include_directories(hdf5::hdf5 INTERFACE ${HDF5_INCLUDE_DIRS})
  target_link_libraries(hdf5::hdf5 INTERFACE ${HDF5_LIBRARIES})
endif()
