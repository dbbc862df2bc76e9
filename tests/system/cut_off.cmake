behalf_test(cut_off_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/cut_off_test.c ${CMAKE_CURRENT_LIST_DIR}/cutting_proxy.c
    LIBRARIES behalf_test_programs behalf_postgres_cluster behalf_store PkgConfig::postgres PkgConfig::zmq Threads::Threads
    LABEL system TIMEOUT 600
    ARGUMENTS $<TARGET_FILE:behalf-broker> $<TARGET_FILE:behalf-ctl>)
# Alone, as it measures seconds.
set_tests_properties(system/cut_off_test PROPERTIES SKIP_RETURN_CODE 77 RUN_SERIAL TRUE)
add_dependencies(cut_off_test behalf-broker behalf-ctl)
