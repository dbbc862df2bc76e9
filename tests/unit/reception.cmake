behalf_test(reception_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/reception_test.c LIBRARIES behalf_broker_core LABEL unit)
