behalf_test(outgoing_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/outgoing_test.c LIBRARIES behalf behalf_outgoing LABEL unit)
