behalf_test(outgoing_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/outgoing_test.c LIBRARIES behalf behalf_outgoing LABEL unit)
behalf_test(outgoing_bound_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/outgoing_bound_test.c
    LIBRARIES behalf behalf_outgoing behalf_hostile_texts LABEL unit)
