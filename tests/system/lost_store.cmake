behalf_test(lost_store_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lost_store_test.c
    LIBRARIES behalf_test_programs behalf_store_desk PkgConfig::sqlite LABEL system TIMEOUT 600
    ARGUMENTS $<TARGET_FILE:behalf-broker>)
add_dependencies(lost_store_test behalf-broker)
