find_program(BEHALF_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(BEHALF_PYTHON)
    set(protocol_page_test_reads ${PROJECT_SOURCE_DIR}/proto/PROTOCOL.md)
    foreach(name broker_test hostile_peers_test promise_test protocol_page_test)
        add_test(NAME system/${name} COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/${name}.py
            $<TARGET_FILE:behalf-broker> ${${name}_reads})
        set_tests_properties(system/${name} PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
        set_property(TEST system/${name} PROPERTY ENVIRONMENT "BEHALF_CTL=$<TARGET_FILE:behalf-ctl>")
    endforeach()
    # The promise on PostgreSQL, too.  More: promise_test.py behalf-broker SEED KILLS [postgres-cluster].
    add_executable(postgres-cluster ${CMAKE_CURRENT_LIST_DIR}/postgres_cluster_main.c)
    target_link_libraries(postgres-cluster PRIVATE behalf_postgres_cluster)
    add_test(NAME system/promise_on_postgres COMMAND ${BEHALF_PYTHON} -u ${CMAKE_CURRENT_LIST_DIR}/promise_test.py
        $<TARGET_FILE:behalf-broker> 1 6 $<TARGET_FILE:postgres-cluster>)
    set_tests_properties(system/promise_on_postgres PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
