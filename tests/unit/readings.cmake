behalf_test(readings_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/readings_test.c LIBRARIES behalf_triage
    ${UNISTRING_LIBRARY} LABEL unit)
