add_executable(codec_fuzz_smoke fuzz/codec_fuzz.c)
target_link_libraries(codec_fuzz_smoke PRIVATE behalf_options behalf_store behalf_record_samples)
add_test(NAME fuzz/codec_fuzz_smoke COMMAND codec_fuzz_smoke)
set_tests_properties(fuzz/codec_fuzz_smoke PROPERTIES LABELS fuzz TIMEOUT 600)

# The fuzzer proper compiles the codec itself, so that libFuzzer sees which branches an input takes.
if(BEHALF_FUZZ)
    add_executable(codec_fuzz fuzz/codec_fuzz.c unit/record_samples.c ${PROJECT_SOURCE_DIR}/broker/store/codec.c
        ${PROJECT_SOURCE_DIR}/broker/desk/record.c)
    target_compile_definitions(codec_fuzz PRIVATE BEHALF_FUZZER)
    target_compile_options(codec_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(codec_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(codec_fuzz PRIVATE behalf_options behalf_change ${MSGPACK_LIBRARY})
endif()
