behalf_test(shared_store_test
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/shared_store_test.c ${CMAKE_CURRENT_LIST_DIR}/cutting_proxy.c
    LIBRARIES behalf_store_desk behalf_postgres_cluster PkgConfig::postgres Threads::Threads LABEL system TIMEOUT 600)
set_tests_properties(system/shared_store_test PROPERTIES SKIP_RETURN_CODE 77)
