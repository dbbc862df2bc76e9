# The verbs of the store's tests are used by the system tests of its faults, too.
add_library(behalf_store_desk STATIC ${CMAKE_CURRENT_LIST_DIR}/store_desk.c)
target_link_libraries(behalf_store_desk PUBLIC behalf_options behalf_store)
behalf_test(store_conformance_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_conformance_test.c
    LIBRARIES behalf_store_desk LABEL unit)
