behalf_test(coalesce_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/coalesce_test.c
    LIBRARIES behalf_store_desk behalf_postgres_cluster PkgConfig::sqlite LABEL unit)
add_test(NAME system/coalesce_postgres COMMAND coalesce_test postgres)
set_tests_properties(system/coalesce_postgres PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
