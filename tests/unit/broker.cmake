behalf_test(frame_queue_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/frame_queue_test.c LIBRARIES behalf_session LABEL unit)
behalf_test(allowance_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/allowance_test.c LIBRARIES behalf_session LABEL unit)
behalf_test(intake_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/intake_test.c LIBRARIES behalf_session LABEL unit)
foreach(name broker_test broker_sign_in_test broker_taking_test broker_lapse_test broker_rules_test)
    behalf_test(${name} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${name}.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c
        ${CMAKE_CURRENT_LIST_DIR}/answers.c LIBRARIES behalf_session behalf_memory_disk LABEL unit)
endforeach()
behalf_test(limits_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/limits_test.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c ${CMAKE_CURRENT_LIST_DIR}/answers.c
    LIBRARIES behalf_session behalf_memory_disk LABEL unit)
behalf_test(once_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/once_test.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c ${CMAKE_CURRENT_LIST_DIR}/answers.c
    LIBRARIES behalf_session behalf_memory_disk LABEL unit)
behalf_test(broker_shell_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/broker_shell_test.c LIBRARIES behalf_shell
    LABEL unit)
behalf_test(connections_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/connections_test.c LIBRARIES behalf_shell LABEL unit)
behalf_test(router_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/router_test.c LIBRARIES behalf_shell LABEL unit)
behalf_test(overrun_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/overrun_test.c LIBRARIES behalf_shell LABEL unit)
behalf_test(sight_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/sight_test.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c ${CMAKE_CURRENT_LIST_DIR}/answers.c
    LIBRARIES behalf_session behalf_memory_disk LABEL unit)
behalf_test(brands_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/brands_test.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c ${CMAKE_CURRENT_LIST_DIR}/answers.c
    LIBRARIES behalf_session behalf_memory_disk LABEL unit TIMEOUT 1200)
behalf_test(trace_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/trace_test.c ${CMAKE_CURRENT_LIST_DIR}/broker_world.c ${CMAKE_CURRENT_LIST_DIR}/answers.c
    LIBRARIES behalf_session behalf_memory_disk LABEL unit)

# The printers of deploy/gdb, in a program that has items, queues and batches.
find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    add_test(NAME unit/gdb_printers_test COMMAND ${BEHALF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/gdb_printers_test.py
        ${PROJECT_SOURCE_DIR}/deploy/gdb/behalf_printers.py $<TARGET_FILE:trace_test>)
    set_tests_properties(unit/gdb_printers_test PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()

# What every source file begins with, what each folder may include, and whether what the pages name is there.
if(BEHALF_PYTHON)
    foreach(name file_heads_test rooms_test pages_test)
        add_test(NAME unit/${name} COMMAND ${BEHALF_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/${name}.py ${PROJECT_SOURCE_DIR})
        set_tests_properties(unit/${name} PROPERTIES LABELS unit TIMEOUT 600)
    endforeach()
endif()
