# mesolith_module(NAME [public libraries...] [PRIVATE private libraries...])
# A static library mesolith_NAME from src/NAME/*.cpp. Modules are declared in the order of the data flow; each links
# the one declared before it, so that a module cannot use one that comes later.
add_library(mesolith_warnings INTERFACE)
target_compile_options(mesolith_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wcast-align -Wunused -Woverloaded-virtual
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> # false alarms of GCC 12 on std::string (its bug 105651)
  $<$<CXX_COMPILER_ID:Clang>:-Wno-bitwise-instead-of-logical> # tests without a branch are meant
  $<$<BOOL:${MESOLITH_WERROR}>:-Werror>)
if(CMAKE_UNITY_BUILD) # several sources compiled as one: names of one file meet those of the next
  target_compile_options(mesolith_warnings INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
if(MESOLITH_SANITIZE)
  add_compile_options(-fsanitize=${MESOLITH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MESOLITH_SANITIZE})
  # Null pointers fault by themselves, x86 reads at any address: GCC needs twice the time to compile with these checks.
  if(MESOLITH_SANITIZE MATCHES undefined AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fno-sanitize=null,alignment,pointer-overflow)
  endif()
  # GCC 12 warns of uninitialised members inside std::regex and Eigen as soon as it adds its own checks to them.
  target_compile_options(mesolith_warnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

set(MESOLITH_MODULES "" CACHE INTERNAL "modules in the order of the data flow")
function(mesolith_module NAME)
  cmake_parse_arguments(MODULE "" "" "PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${NAME}/*.cpp)
  if(sources)
    add_library(mesolith_${NAME} STATIC ${sources})
    # Highway includes such a file once for every kind of processor.
    foreach(source IN LISTS sources)
      file(STRINGS ${source} vectors REGEX "hwy/foreach_target" LIMIT_COUNT 1)
      if(vectors)
        set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
      endif()
    endforeach()
    set(visibility PUBLIC)
    target_link_libraries(mesolith_${NAME} PRIVATE $<BUILD_INTERFACE:mesolith_warnings> ${MODULE_PRIVATE})
    set_target_properties(mesolith_${NAME} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    add_library(mesolith_${NAME} INTERFACE)
    set(visibility INTERFACE)
  endif()
  target_compile_features(mesolith_${NAME} ${visibility} cxx_std_20)
  target_include_directories(mesolith_${NAME} ${visibility}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  list(LENGTH MESOLITH_MODULES count)
  if(count GREATER 0)
    list(GET MESOLITH_MODULES -1 previous)
    target_link_libraries(mesolith_${NAME} ${visibility} mesolith_${previous})
  endif()
  target_link_libraries(mesolith_${NAME} ${visibility} ${MODULE_UNPARSED_ARGUMENTS})
  list(APPEND MESOLITH_MODULES ${NAME})
  set(MESOLITH_MODULES "${MESOLITH_MODULES}" CACHE INTERNAL "")
endfunction()
