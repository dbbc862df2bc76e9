behalf_test(dispatch_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/dispatch_test.c LIBRARIES behalf_session LABEL unit)
