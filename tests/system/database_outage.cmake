find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    add_test(NAME system/database_outage_test COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/database_outage_test.py
        $<TARGET_FILE:behalf-broker> $<TARGET_FILE:behalf-ctl> ${CMAKE_SOURCE_DIR}/deploy/postgres/three-nodes)
    # Alone, as it measures seconds.
    set_tests_properties(system/database_outage_test PROPERTIES LABELS "system;failover" TIMEOUT 600 SKIP_RETURN_CODE 77
        RUN_SERIAL TRUE)
endif()
