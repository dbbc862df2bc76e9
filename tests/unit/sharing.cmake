behalf_test(sharing_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/sharing_test.c LIBRARIES behalf_ownership LABEL unit)
