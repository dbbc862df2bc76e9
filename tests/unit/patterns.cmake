behalf_test(patterns_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/patterns_test.c LIBRARIES behalf_triage LABEL unit)
