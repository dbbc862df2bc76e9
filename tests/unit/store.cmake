behalf_test(store_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_test.c LIBRARIES behalf_store_desk LABEL unit TIMEOUT 60)
behalf_test(owner_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/owner_test.c LIBRARIES behalf_store LABEL unit)
