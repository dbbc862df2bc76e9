behalf_test(triage_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/triage_test.c LIBRARIES behalf_triage PkgConfig::jansson
    LABEL unit ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy)
behalf_test(triage_bound_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/triage_bound_test.c
    LIBRARIES behalf_triage behalf_hostile_texts LABEL unit ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy/rules.yaml)
