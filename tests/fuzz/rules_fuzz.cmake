add_executable(rules_fuzz_smoke fuzz/rules_fuzz.c)
target_link_libraries(rules_fuzz_smoke PRIVATE behalf_options behalf_triage ${UNISTRING_LIBRARY})
add_test(NAME fuzz/rules_fuzz_smoke COMMAND rules_fuzz_smoke)
set_tests_properties(fuzz/rules_fuzz_smoke PROPERTIES LABELS fuzz TIMEOUT 600)

# The fuzzer proper compiles the code itself, so that libFuzzer sees which branches an input takes.
if(BEHALF_FUZZ)
    get_target_property(sources behalf_triage SOURCES)
    list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/broker/triage/)
    add_executable(rules_fuzz fuzz/rules_fuzz.c ${sources})
    target_compile_definitions(rules_fuzz PRIVATE BEHALF_FUZZER)
    target_compile_options(rules_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(rules_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(rules_fuzz PRIVATE behalf_options behalf_outgoing behalf_policy behalf_language
        PkgConfig::vectorscan PkgConfig::yaml ${UNISTRING_LIBRARY})
    set_target_properties(rules_fuzz PROPERTIES LINKER_LANGUAGE CXX)
endif()
