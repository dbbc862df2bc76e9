if(NOT TARGET behalf_test_programs)
    add_library(behalf_test_programs STATIC ${CMAKE_CURRENT_LIST_DIR}/fake_broker.c ${CMAKE_CURRENT_LIST_DIR}/child.c)
    target_link_libraries(behalf_test_programs PRIVATE behalf_options PUBLIC behalf ${CMOCKA_LIBRARY})
endif()

behalf_test(connect_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/connect_test.c
    LIBRARIES behalf_test_programs LABEL system
    ARGUMENTS $<TARGET_FILE:behalf-connect> ${PROJECT_SOURCE_DIR}/deploy/sample_adapter.py)
add_dependencies(connect_test behalf-connect)

behalf_test(worker_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/worker_test.c
    LIBRARIES behalf_test_programs PkgConfig::jansson LABEL system ARGUMENTS $<TARGET_FILE:behalf-worker>)
add_dependencies(worker_test behalf-worker)
# Alone: their broker goes away and comes back on the same port, which another test could have taken meanwhile.
set_tests_properties(system/connect_test system/worker_test PROPERTIES RUN_SERIAL TRUE)

find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    add_test(NAME system/mbox_adapter_test COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/mbox_adapter_test.py
        ${PROJECT_SOURCE_DIR}/deploy/mbox_adapter.py)
    set_tests_properties(system/mbox_adapter_test PROPERTIES LABELS system TIMEOUT 600)
endif()
