behalf_test(protocol_test SOURCES unit/protocol_test.c LIBRARIES behalf LABEL unit
    ARGUMENTS ${PROJECT_SOURCE_DIR}/proto/PROTOCOL.md)

# The system's own Python: Debian's packages of pyzmq and msgpack are for that one.
find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    add_test(NAME unit/protocol_sketch_test COMMAND ${BEHALF_PYTHON}
        ${CMAKE_CURRENT_SOURCE_DIR}/unit/protocol_sketch_test.py ${PROJECT_SOURCE_DIR}/proto/PROTOCOL.md)
    set_tests_properties(unit/protocol_sketch_test PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()

add_executable(example_agent ${PROJECT_SOURCE_DIR}/proto/example_agent.c)
target_link_libraries(example_agent PRIVATE behalf)
set(example_flags "")
if(BEHALF_SANITIZE)
    set(example_flags -fsanitize=address,undefined)
endif()
add_test(NAME unit/installed_example_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unit/installed_example_test.sh
    ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER} ${example_flags})
set_tests_properties(unit/installed_example_test PROPERTIES LABELS unit TIMEOUT 600)
