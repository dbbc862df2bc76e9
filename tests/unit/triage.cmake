behalf_test(triage_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/triage_test.c LIBRARIES behalf_triage PkgConfig::jansson
    LABEL unit ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy)
behalf_test(triage_bound_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/triage_bound_test.c
    LIBRARIES behalf_triage behalf_hostile_texts LABEL unit ARGUMENTS ${PROJECT_SOURCE_DIR}/deploy/rules.yaml)

add_executable(sample_noise_test ${CMAKE_CURRENT_LIST_DIR}/sample_noise_test.c)
target_link_libraries(sample_noise_test PRIVATE behalf_options behalf_triage ${CSV_LIBRARY})
add_test(NAME unit/sample_noise_test COMMAND sample_noise_test ${PROJECT_SOURCE_DIR}/deploy/rules.yaml
    ${PROJECT_SOURCE_DIR}/../shared/data)
set_tests_properties(unit/sample_noise_test PROPERTIES LABELS unit TIMEOUT 600 SKIP_RETURN_CODE 77)
