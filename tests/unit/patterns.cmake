behalf_test(patterns_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/patterns_test.c LIBRARIES behalf_triage LABEL unit)

add_executable(pattern_trials_test ${CMAKE_CURRENT_LIST_DIR}/pattern_trials_test.c)
target_link_libraries(pattern_trials_test PRIVATE behalf_options behalf_triage)
add_test(NAME unit/pattern_trials_test COMMAND pattern_trials_test
    ${PROJECT_SOURCE_DIR}/../shared/trials/patterns.tsv)
set_tests_properties(unit/pattern_trials_test PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)
