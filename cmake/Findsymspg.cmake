# spglib's C library: target symspg::symspg. Debian's comes without a CMake config; upstream's is called Spglib.
find_path(symspg_INCLUDE_DIR spglib.h)
find_library(symspg_LIBRARY symspg)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(symspg REQUIRED_VARS symspg_LIBRARY symspg_INCLUDE_DIR)
if(symspg_FOUND AND NOT TARGET symspg::symspg)
  add_library(symspg::symspg UNKNOWN IMPORTED)
  set_target_properties(symspg::symspg PROPERTIES IMPORTED_LOCATION ${symspg_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${symspg_INCLUDE_DIR})
endif()
mark_as_advanced(symspg_INCLUDE_DIR symspg_LIBRARY)
