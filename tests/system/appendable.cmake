behalf_test(appendable_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/appendable_test.c
    LIBRARIES behalf_store_desk behalf_postgres_cluster PkgConfig::postgres Threads::Threads LABEL system TIMEOUT 600)
set_tests_properties(system/appendable_test PROPERTIES SKIP_RETURN_CODE 77)
