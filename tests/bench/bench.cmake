# How fast it is, beside the raw limits.  The tests only hold it to measuring at all.
add_executable(behalf-bench ${CMAKE_CURRENT_LIST_DIR}/main.c ${CMAKE_CURRENT_LIST_DIR}/bench.c
    ${CMAKE_CURRENT_LIST_DIR}/crew.c ${CMAKE_CURRENT_LIST_DIR}/crowd.c ${CMAKE_CURRENT_LIST_DIR}/cycle.c ${CMAKE_CURRENT_LIST_DIR}/desks.c
    ${CMAKE_CURRENT_LIST_DIR}/feeder.c ${CMAKE_CURRENT_LIST_DIR}/intake.c ${CMAKE_CURRENT_LIST_DIR}/many.c
    ${CMAKE_CURRENT_LIST_DIR}/many_postgres.c ${CMAKE_CURRENT_LIST_DIR}/many_sqlite.c
    ${CMAKE_CURRENT_LIST_DIR}/outlet.c ${CMAKE_CURRENT_LIST_DIR}/own_broker.c ${CMAKE_CURRENT_LIST_DIR}/people.c ${CMAKE_CURRENT_LIST_DIR}/restore.c ${CMAKE_CURRENT_LIST_DIR}/raw.c
    ${CMAKE_CURRENT_LIST_DIR}/raw_postgres.c ${CMAKE_CURRENT_LIST_DIR}/raw_sqlite.c ${CMAKE_CURRENT_LIST_DIR}/turn.c)
target_link_libraries(behalf-bench PRIVATE behalf_options behalf_session behalf behalf_store PkgConfig::jansson PkgConfig::sqlite
    PkgConfig::postgres PkgConfig::zmq)
add_dependencies(behalf-bench behalf-broker)

# What the desk alone costs.
add_executable(behalf-desk-bench ${CMAKE_CURRENT_LIST_DIR}/desk.c ${CMAKE_CURRENT_LIST_DIR}/bench.c)
target_link_libraries(behalf-desk-bench PRIVATE behalf_options behalf_desk behalf PkgConfig::jansson)

find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(case intake cycle restore turn interrupted)
    add_test(NAME bench/${case} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/bench_test.py ${case}
        $<TARGET_FILE:behalf-bench>)
    set_tests_properties(bench/${case} PROPERTIES LABELS bench TIMEOUT 600 RUN_SERIAL TRUE)
endforeach()

# deploy/bench with everything it can do, for a second each.
foreach(case cases interrupted)
    add_test(NAME bench/deploy_${case} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/deploy_bench_test.py ${case}
        ${PROJECT_SOURCE_DIR}/deploy/bench ${PROJECT_BINARY_DIR})
    set_tests_properties(bench/deploy_${case} PROPERTIES LABELS bench TIMEOUT 1200 RUN_SERIAL TRUE)
endforeach()
