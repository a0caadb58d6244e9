# install: headers, module libraries, program, report package, and what find_package(mesolith) needs.
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mesolith)

set(libraries mesolith)
foreach(module IN LISTS MESOLITH_MODULES)
  list(APPEND libraries mesolith_${module})
endforeach()
install(TARGETS ${libraries} EXPORT mesolithTargets)
install(TARGETS mesolith_cli)
if(TARGET mesolith_torch_mace)
  install(TARGETS mesolith_torch_mace LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/mesolith)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mesolith DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/tools/mesolith_report)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/tools/mesolith_report DESTINATION ${CMAKE_INSTALL_DATADIR}/mesolith/python
          PATTERN __pycache__ EXCLUDE)
  install(FILES ${PROJECT_SOURCE_DIR}/tools/mesolith_diffusivity.py DESTINATION ${CMAKE_INSTALL_DATADIR}/mesolith/python)
endif()

install(EXPORT mesolithTargets NAMESPACE mesolith:: DESTINATION ${config_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/mesolithConfig.cmake.in
  ${PROJECT_BINARY_DIR}/mesolithConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mesolithConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mesolithConfig.cmake ${PROJECT_BINARY_DIR}/mesolithConfigVersion.cmake
        ${PROJECT_SOURCE_DIR}/cmake/Findsymspg.cmake
        ${PROJECT_SOURCE_DIR}/cmake/FindFFTW3.cmake DESTINATION ${config_dir})
