behalf_test(store_fault_test
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_fault_test.c ${CMAKE_CURRENT_LIST_DIR}/failing_disk.c
    LIBRARIES behalf_store_desk PkgConfig::sqlite LABEL system TIMEOUT 600)
