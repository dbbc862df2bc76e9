# Two tests of 100 seeds, so that both cores have one.
add_executable(simulation ${CMAKE_CURRENT_LIST_DIR}/main.c ${CMAKE_CURRENT_LIST_DIR}/simulation.c
    ${CMAKE_CURRENT_LIST_DIR}/network.c ${CMAKE_CURRENT_LIST_DIR}/actors.c ${CMAKE_CURRENT_LIST_DIR}/judge.c
    ${CMAKE_CURRENT_LIST_DIR}/history.c ${CMAKE_CURRENT_LIST_DIR}/asking.c)
target_link_libraries(simulation PRIVATE behalf_options behalf_broker_core)
foreach(first 1 101)
    add_test(NAME sim/seeds_from_${first} COMMAND simulation ${first} 100)
    set_tests_properties(sim/seeds_from_${first} PROPERTIES LABELS sim TIMEOUT 600)
endforeach()
