add_executable(message_fuzz_smoke fuzz/message_fuzz_smoke.c fuzz/message_fuzz.c unit/message_samples.c)
target_link_libraries(message_fuzz_smoke PRIVATE behalf)
add_test(NAME fuzz/message_fuzz_smoke COMMAND message_fuzz_smoke)
set_tests_properties(fuzz/message_fuzz_smoke PROPERTIES LABELS fuzz TIMEOUT 600)

# The fuzzer proper compiles the codec itself, so that libFuzzer sees which branches an input takes.
if(BEHALF_FUZZ)
    set(codec frame_walk mended_text message message_block message_check message_decode message_encode message_mend)
    list(TRANSFORM codec PREPEND ${PROJECT_SOURCE_DIR}/proto/)
    list(TRANSFORM codec APPEND .c)
    add_executable(message_fuzz fuzz/message_fuzz.c ${codec})
    target_compile_options(message_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(message_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(message_fuzz PRIVATE behalf_options PkgConfig::sodium ${MSGPACK_LIBRARY}
        ${UNISTRING_LIBRARY} Threads::Threads m)
endif()
