find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    foreach(name broker_test hostile_peers_test promise_test protocol_page_test)
        add_test(NAME system/${name} COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/${name}.py
            $<TARGET_FILE:behalf-broker> ${PROJECT_SOURCE_DIR}/proto/PROTOCOL.md)
        set_tests_properties(system/${name} PROPERTIES LABELS system TIMEOUT 300 SKIP_RETURN_CODE 77)
        set_property(TEST system/${name} PROPERTY ENVIRONMENT "BEHALF_CTL=$<TARGET_FILE:behalf-ctl>")
    endforeach()
endif()
