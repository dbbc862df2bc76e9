add_executable(plain_text_fuzz_smoke fuzz/plain_text_fuzz.c)
target_link_libraries(plain_text_fuzz_smoke PRIVATE behalf_options behalf_triage ${UNISTRING_LIBRARY})
add_test(NAME fuzz/plain_text_fuzz_smoke COMMAND plain_text_fuzz_smoke)
set_tests_properties(fuzz/plain_text_fuzz_smoke PROPERTIES LABELS fuzz TIMEOUT 600)

# The fuzzer proper compiles the code itself, so that libFuzzer sees which branches an input takes.
if(BEHALF_FUZZ)
    get_target_property(sources behalf_language SOURCES)
    list(APPEND sources readings.c endings.c pattern_expression.c pattern_form.c pattern_search.c patterns.c)
    list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/broker/triage/)
    add_executable(plain_text_fuzz fuzz/plain_text_fuzz.c ${sources})
    target_compile_definitions(plain_text_fuzz PRIVATE BEHALF_FUZZER)
    target_compile_options(plain_text_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(plain_text_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(plain_text_fuzz PRIVATE behalf_options ${CLD2_LIBRARIES} ${UNISTRING_LIBRARY}
        PkgConfig::vectorscan PkgConfig::icu Threads::Threads m)
    set_target_properties(plain_text_fuzz PROPERTIES LINKER_LANGUAGE CXX)
endif()
