behalf_test(ctl_rows_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/ctl_rows_test.c LIBRARIES behalf_feed LABEL unit)
behalf_test(ctl_feed_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/ctl_feed_test.c LIBRARIES behalf_feed LABEL unit)
