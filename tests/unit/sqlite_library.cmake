behalf_test(sqlite_library_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/sqlite_library_test.c
    LIBRARIES behalf_store PkgConfig::sqlite LABEL unit)
