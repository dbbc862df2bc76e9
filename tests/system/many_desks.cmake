behalf_test(many_desks_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/many_desks_test.c
    LIBRARIES behalf_test_programs behalf_postgres_cluster PkgConfig::postgres PkgConfig::zmq LABEL system TIMEOUT 600
    ARGUMENTS $<TARGET_FILE:behalf-broker>)
# Alone, as it measures seconds.
set_tests_properties(system/many_desks_test PROPERTIES LABELS "system;failover" SKIP_RETURN_CODE 77 RUN_SERIAL TRUE)
add_dependencies(many_desks_test behalf-broker)
