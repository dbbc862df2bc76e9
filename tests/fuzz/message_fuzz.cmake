add_executable(message_fuzz_smoke fuzz/message_fuzz_smoke.c fuzz/message_fuzz.c unit/message_samples.c)
target_link_libraries(message_fuzz_smoke PRIVATE behalf)
add_test(NAME fuzz/message_fuzz_smoke COMMAND message_fuzz_smoke)
set_tests_properties(fuzz/message_fuzz_smoke PROPERTIES LABELS fuzz TIMEOUT 120)

# The fuzzer proper compiles the codec itself, so that libFuzzer sees which branches an input takes.
if(BEHALF_FUZZ)
    add_executable(message_fuzz fuzz/message_fuzz.c ${PROJECT_SOURCE_DIR}/proto/message.c
        ${PROJECT_SOURCE_DIR}/proto/frame_walk.c ${PROJECT_SOURCE_DIR}/proto/mended_text.c)
    target_compile_options(message_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(message_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(message_fuzz PRIVATE behalf_options PkgConfig::sodium ${MSGPACK_LIBRARY}
        ${UNISTRING_LIBRARY} Threads::Threads m)
endif()
