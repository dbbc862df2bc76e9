behalf_test(message_test SOURCES unit/message_test.c unit/message_samples.c LIBRARIES behalf LABEL unit
    ARGUMENTS ${CMAKE_CURRENT_SOURCE_DIR}/unit/golden_messages.txt)
