behalf_test(read_ahead_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/read_ahead_test.c
    LIBRARIES behalf_store_desk LABEL unit)
