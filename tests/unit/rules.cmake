behalf_test(rules_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/rules_test.c LIBRARIES behalf_triage LABEL unit
    ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy/rules.yaml)
