# Each kind of cut once.  More, and others: postgres_cuts_test SEED CUTS.
add_executable(postgres_cuts_test ${CMAKE_CURRENT_LIST_DIR}/postgres_cuts_test.c ${CMAKE_CURRENT_LIST_DIR}/cutting_proxy.c)
target_link_libraries(postgres_cuts_test PRIVATE recorded_history behalf_postgres_cluster PkgConfig::postgres Threads::Threads)
add_test(NAME system/postgres_cuts COMMAND postgres_cuts_test 1 8)
set_tests_properties(system/postgres_cuts PROPERTIES LABELS system TIMEOUT 600 SKIP_RETURN_CODE 77)
