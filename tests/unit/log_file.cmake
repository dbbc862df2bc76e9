behalf_test(log_file_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/log_file_test.c
    LIBRARIES behalf_store PkgConfig::sqlite LABEL unit)
