behalf_test(sqlite_upgrade_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/sqlite_upgrade_test.c
    LIBRARIES behalf_store_desk PkgConfig::sqlite LABEL unit)
