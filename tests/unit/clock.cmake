behalf_test(clock_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/clock_test.c LIBRARIES behalf_shell LABEL unit)
