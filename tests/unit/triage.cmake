behalf_test(triage_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/triage_test.c LIBRARIES behalf_triage PkgConfig::jansson
    LABEL unit ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy)
