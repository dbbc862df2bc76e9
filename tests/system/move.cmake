if(NOT TARGET behalf_test_programs)
    add_library(behalf_test_programs STATIC ${CMAKE_CURRENT_LIST_DIR}/fake_broker.c ${CMAKE_CURRENT_LIST_DIR}/child.c)
    target_link_libraries(behalf_test_programs PRIVATE behalf_options PUBLIC behalf ${CMOCKA_LIBRARY})
endif()

behalf_test(move_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/move_test.c
    LIBRARIES behalf_store_desk behalf_postgres_cluster behalf_test_programs PkgConfig::sqlite LABEL system TIMEOUT 600
    ARGUMENTS $<TARGET_FILE:behalf-ctl> $<TARGET_FILE:behalf-broker> ${PROJECT_SOURCE_DIR}/deploy/rules.yaml)
add_dependencies(move_test behalf-ctl behalf-broker)
set_tests_properties(system/move_test PROPERTIES SKIP_RETURN_CODE 77)
