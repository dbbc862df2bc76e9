behalf_test(change_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/change_test.c LIBRARIES behalf_change LABEL unit)
behalf_test(wording_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/wording_test.c LIBRARIES behalf_change behalf_policy LABEL unit)
