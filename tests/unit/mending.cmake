behalf_test(mending_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/mending_test.c LIBRARIES behalf_mending LABEL unit)
