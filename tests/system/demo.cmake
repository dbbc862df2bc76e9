# The demo as one tries it where there is no terminal; it needs all programs.
add_test(NAME system/demo_test
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/demo_test.sh ${PROJECT_SOURCE_DIR}/deploy/demo ${PROJECT_BINARY_DIR})
set_tests_properties(system/demo_test PROPERTIES LABELS system TIMEOUT 600)
