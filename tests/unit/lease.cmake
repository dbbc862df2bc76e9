behalf_test(lease_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lease_test.c LIBRARIES behalf_session behalf_ownership LABEL unit)
