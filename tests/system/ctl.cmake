if(NOT TARGET behalf_test_programs)
    add_library(behalf_test_programs STATIC ${CMAKE_CURRENT_LIST_DIR}/fake_broker.c ${CMAKE_CURRENT_LIST_DIR}/child.c)
    target_link_libraries(behalf_test_programs PRIVATE behalf_options PUBLIC behalf ${CMOCKA_LIBRARY})
endif()

behalf_test(ctl_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/ctl_test.c
    LIBRARIES behalf_test_programs LABEL system
    ARGUMENTS $<TARGET_FILE:behalf-ctl> ${PROJECT_SOURCE_DIR}/deploy/rules.yaml)
add_dependencies(ctl_test behalf-ctl)
