behalf_test(policy_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/policy_test.c LIBRARIES behalf_policy LABEL unit)
