# What a broker of the simulation wrote, for the tests that write it again.
add_library(recorded_history STATIC ${CMAKE_CURRENT_LIST_DIR}/recorded_history.c ${CMAKE_CURRENT_LIST_DIR}/power_model.c)
target_link_libraries(recorded_history PUBLIC simulation_parts behalf_memory_disk behalf_session behalf_store PkgConfig::sqlite)

# As many as there is time for.  More, and others: power_loss_test SEED COUNT.  With --lying it has to find what is lost
# when syncs do nothing.
add_executable(power_loss_test ${CMAKE_CURRENT_LIST_DIR}/power_loss_test.c ${CMAKE_CURRENT_LIST_DIR}/former_store.c
    ${CMAKE_CURRENT_LIST_DIR}/failing_disk.c)
target_link_libraries(power_loss_test PRIVATE recorded_history Threads::Threads)
add_test(NAME system/power_loss COMMAND power_loss_test 1 4 8)
add_test(NAME system/power_loss_in_upgrade COMMAND power_loss_test --upgrade 1 2 4)
add_test(NAME system/power_loss_is_found COMMAND power_loss_test --lying 1)
set_tests_properties(system/power_loss system/power_loss_in_upgrade system/power_loss_is_found PROPERTIES LABELS system TIMEOUT 600)
