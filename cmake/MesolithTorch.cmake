# libtorch, which evaluates MACE models that are saved as TorchScript. Sets MESOLITH_HAS_TORCH and makes the target
# mesolith_torch, which is empty without it. Everything else builds without it.
# find_package(Torch) is of no use here: it hands definitions of its own build to all who link, asks for a CUDA
# compiler when a wheel was built with one, and mixes Debian's libc10 with a wheel's libtorch.
set(MESOLITH_WITH_MACE AUTO CACHE STRING "Evaluate TorchScript MACE models with libtorch: AUTO (when found), ON or OFF")
set_property(CACHE MESOLITH_WITH_MACE PROPERTY STRINGS AUTO ON OFF)
set(MESOLITH_TORCH "" CACHE PATH "Folder of a Python's torch package (tools/find_torch.py) or of an unpacked libtorch")

set(MESOLITH_HAS_TORCH OFF)
add_library(mesolith_torch INTERFACE)

function(mesolith_find_torch)
  set(where)
  if(MESOLITH_TORCH)
    set(where PATHS ${MESOLITH_TORCH} NO_DEFAULT_PATH)
  endif()
  find_path(include torch/script.h ${where} PATH_SUFFIXES include NO_CACHE)
  find_path(api torch/version.h HINTS ${include}/torch/csrc/api/include NO_DEFAULT_PATH NO_CACHE)
  find_library(torch_cpu torch_cpu ${where} PATH_SUFFIXES lib NO_CACHE)
  find_library(c10 c10 ${where} PATH_SUFFIXES lib NO_CACHE)
  if(NOT (include AND api AND torch_cpu AND c10))
    if(MESOLITH_TORCH)
      message(FATAL_ERROR "There is no libtorch in MESOLITH_TORCH=${MESOLITH_TORCH} (it should hold include/torch/script.h, "
                          "lib/libtorch_cpu.so and lib/libc10.so). Give the folder that tools/find_torch.py PYTHON prints.")
    elseif(MESOLITH_WITH_MACE STREQUAL "ON")
      message(FATAL_ERROR "MESOLITH_WITH_MACE=ON, and no libtorch was found (torch/script.h, libtorch_cpu, libc10). Install "
                          "libtorch-dev and libopenblas0-openmp, or give a Python's torch: "
                          "-DMESOLITH_TORCH=$(tools/find_torch.py PYTHON).")
    endif()
    return()
  endif()

  # One library from here and another from there stops the program before main().
  file(REAL_PATH ${include}/.. prefix)
  foreach(library IN ITEMS ${torch_cpu} ${c10})
    file(REAL_PATH ${library} real)
    cmake_path(GET real PARENT_PATH folder)
    cmake_path(IS_PREFIX prefix ${real} NORMALIZE same)
    if(NOT same OR (first_folder AND NOT folder STREQUAL first_folder))
      message(FATAL_ERROR "Two libtorch are mixed (headers in ${include}, ${torch_cpu}, ${c10}). Give one: "
                          "-DMESOLITH_TORCH=$(tools/find_torch.py PYTHON), or one prefix in CMAKE_PREFIX_PATH.")
    endif()
    set(first_folder ${folder})
  endforeach()
  if(EXISTS ${prefix}/share/cmake/Torch/TorchConfig.cmake)
    file(STRINGS ${prefix}/share/cmake/Torch/TorchConfig.cmake old_strings REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(old_strings)
      message(FATAL_ERROR "${prefix} was built with the C++ strings of GCC 4. Take a torch from 2.6 on, or the libtorch that "
                          "is called cxx11 ABI.")
    endif()
  endif()

  set(libraries ${torch_cpu} ${c10})
  file(STRINGS ${include}/c10/macros/cmake_macros.h glog REGEX "^#define C10_USE_GLOG")
  if(glog) # Debian's headers write their checks with it
    find_library(glog_library glog NO_CACHE REQUIRED)
    list(APPEND libraries ${glog_library})
  endif()
  set(version_file ${api}/torch/version.h)
  if(EXISTS ${include}/torch/headeronly/version.h) # since 2.9
    set(version_file ${include}/torch/headeronly/version.h)
  endif()
  file(STRINGS ${version_file} numbers REGEX "^#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "#define TORCH_VERSION_[A-Z]+ " "" version "${numbers}")
  list(JOIN version "." version)
  message(STATUS "libtorch ${version}: ${torch_cpu}")

  target_include_directories(mesolith_torch SYSTEM INTERFACE
                             "$<BUILD_INTERFACE:${include}>" "$<BUILD_INTERFACE:${api}>")
  target_link_libraries(mesolith_torch INTERFACE ${libraries} ${CMAKE_DL_LIBS})
  if(EXISTS ${include}/fmt/format.h) # a wheel brings headers of its own fmt, which hide ours, without its library
    target_compile_definitions(mesolith_torch INTERFACE FMT_HEADER_ONLY)
  endif()
  set(MESOLITH_HAS_TORCH ON PARENT_SCOPE)
endfunction()

if(NOT MESOLITH_WITH_MACE MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "MESOLITH_WITH_MACE is '${MESOLITH_WITH_MACE}' (known: AUTO, ON, OFF).")
elseif(NOT MESOLITH_WITH_MACE STREQUAL "OFF")
  mesolith_find_torch()
endif()
if(MESOLITH_TORCH AND MESOLITH_HAS_TORCH)
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON) # the installed program finds it there too
endif()
